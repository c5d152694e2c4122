/** How probes are written, what is refused, and what stands where nothing was said. */
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import type { Failure } from '../../src/std/std.ts'

const configOf = (health: unknown, change: object = {}) => ({
  name: 'probed',
  agents: { mailer: { run: { command: ['python3', './mail.py'] }, cell: 'process', health, ...change } },
})
const faults = (raw: unknown): readonly string[] => {
  try {
    parseConfig(raw, '/swarm')
  } catch (error) {
    return (error as Failure).facts['errors'] as readonly string[]
  }
  return []
}

test('A probe has its pace and its patience when nothing is said', () => {
  const raw = configOf({ startup: { command: ['./up.sh'] }, liveness: { http: 'http://127.0.0.1:80{number}/livez' } })
  expect(parseConfig(raw, '/swarm').agents['mailer']!.health).toEqual({
    startup: { command: ['/swarm/up.sh'], everyMs: 1_000, timeoutMs: 1_000, fails: 3, withinMs: 30_000 },
    liveness: { http: 'http://127.0.0.1:80{number}/livez', everyMs: 10_000, timeoutMs: 1_000, fails: 3 },
  })
})

test.each([
  ['another host: what it depends on', configOf({ liveness: { http: 'http://bank.example.com/' } }), /on this host/],
  [
    'both ways',
    configOf({ liveness: { http: 'http://127.0.0.1:1', command: ['x'] } }),
    /exactly one of http and command/,
  ],
  ['no way', configOf({ readiness: {} }), /exactly one of http and command/],
  ['a sandbox', configOf({ liveness: { command: ['x'] } }, { cell: 'sandbox' }), /cell: 'process'/],
  ['a module', { name: 'p', agents: { m: { run: { module: './m.ts' }, health: {} } } }, /only a program/],
])('It is refused with %s', (_what, raw, why) => {
  expect(faults(raw).join('\n')).toMatch(why)
})
