/** What a host left behind is written by whatever lives in it: it is read bounded, and says no more than it shows. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { growerOf, readEvidence, testimony } from '../../src/cell/pool/testimony.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'witness-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const nowMs = 1_800_000_000_000
const file = (): string => join(directory, 'witness.json')
const leave = (value: unknown): void => writeFileSync(file(), typeof value === 'string' ? value : JSON.stringify(value))
const blocked = { agent: 'a/0001', stack: ['spin (a.ts:1:2)'], forMs: 900, wallMs: nowMs - 500 }
const ask = (change: object = {}): ReturnType<typeof testimony> =>
  testimony({ evidence: readEvidence(directory), printed: [], outOfMemory: false, nowMs, ...change })

test('The watch speaks about a held loop when it looked a moment ago, else the print of the engine does', () => {
  leave({ blocked })
  const printed = [
    'KEYBOARD_INTERRUPT: …',
    '    at loop (b.ts:3:4)',
    '    at a/0007 (fibre.ts:1:1)',
    'and something else',
  ]
  const { wallMs: _, ...told } = blocked
  expect(ask({ printed })).toEqual({ kind: 'blocked', source: 'watch', ...told })
  leave({ blocked: { ...blocked, wallMs: nowMs - 60_000 } })
  expect(ask({ printed })).toEqual({
    kind: 'blocked',
    source: 'stack',
    agent: 'a/0007',
    forMs: null,
    stack: ['loop (b.ts:3:4)', 'a/0007 (fibre.ts:1:1)'],
  })
  expect(ask()).toBeUndefined()
})

test('A loop that is held where no code can be asked is told as held, and by nobody known', () => {
  leave({ blocked: { ...blocked, agent: null, stack: [] } })
  expect(ask()).toMatchObject({ kind: 'blocked', agent: null, stack: [] })
})

test('Memory is laid to the one that ran while it grew, or to nobody', () => {
  expect(growerOf(['a/0001', 'a/0001'])).toBeNull()
  expect(growerOf(['a/0001', 'a/0002', 'a/0001'])).toBe('a/0001')
  expect(growerOf(['a/0001', 'a/0002', 'a/0003', 'a/0001'])).toBeNull()
  expect(growerOf([null, null, null, 'a/0001'])).toBeNull()
  leave({
    memory: { looks: ['a/0002', 'a/0002', null, 'a/0002'], stack: ['grow (a.ts:1:1)'], forMs: 70, wallMs: nowMs },
  })
  expect(ask({ outOfMemory: true, printed: null })).toEqual({
    kind: 'memory',
    source: 'watch',
    agent: 'a/0002',
    forMs: 70,
    stack: ['grow (a.ts:1:1)'],
    looks: { 'a/0002': 3, nobody: 1 },
  })
})

test('A link, a pipe and a file that is too large are not read, and nobody waits for them', () => {
  symlinkSync('/etc/hostname', file())
  expect(ask()).toBeUndefined()
  rmSync(file())
  execFileSync('mkfifo', [file()])
  expect(ask()).toBeUndefined()
  rmSync(file())
  leave(`{"blocked":${JSON.stringify({ ...blocked, stack: ['x'.repeat(70_000)] })}}`)
  expect(ask()).toBeUndefined()
})

test('Whatever the file and the print hold, what is told is bounded', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(fc.string({ maxLength: 2_000 }), { maxLength: 60 }), (value, lines) => {
      leave({ blocked: value, memory: value })
      for (const outOfMemory of [true, false]) {
        const told = ask({ outOfMemory, printed: lines.map((line) => `    at ${line}`) })
        expect(JSON.stringify(told ?? null).length).toBeLessThan(24 * 2_000)
        for (const frame of told?.stack ?? []) expect(frame.length).toBeLessThanOrEqual(300)
        expect(told?.stack.length ?? 0).toBeLessThanOrEqual(24)
        expect(told?.agent ?? 'a/0001').toMatch(/^[a-z][a-z0-9-]*\/[0-9]{4,7}$/)
      }
    }),
  )
})
