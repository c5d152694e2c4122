/** The example with language models, from beginning to end as a stranger runs it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from '../port.ts'

const root = join(import.meta.dirname, '..', '..')

test('All notes are written, the looper is stopped by its budget, and the provider billed what the sitter says it cost', async () => {
  const own = await mkdtemp(join(tmpdir(), 'llm-'))
  const ports = { REHEARSAL_PORT: String(await freePort()), SITTER_PORT: '0' }
  // So many that no run is without one: some by chance were why this failed now and then.
  const errors = { REHEARSAL_ERRORS: '15%' }
  const env = { ...process.env, ...ports, ...errors, XDG_CONFIG_HOME: join(own, 'keys'), NO_COLOR: '1' }
  const words = ['run', '-s', 'example:llm', '--', '--data-dir', join(own, 'data'), '--notes', '40']
  const child = spawn('npm', words, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part))
  const [code] = (await once(child, 'close')) as [number]
  const lines = (await readFile(join(own, 'data', 'rehearsal', 'llm', 'log.ndjson'), 'utf8')).trimEnd().split('\n')
  await rm(own, { recursive: true, force: true })
  expect(text).toContain('both sides agree to the last digit')
  expect(text).toMatch(/notes +40 written, 0 given up/)
  expect(code).toBe(0)
  // A 500 to a call that may have done something is of unknown cost, though this provider bills none.
  expect(text).toMatch(/it failed +at [1-9]/)
  // What it may spend, and one call more, which counts as the most where its answer does not tell.
  const [, spent = ''] = /the looper +spent ([0-9.]+) USD/.exec(text) ?? []
  expect(Number(spent)).toBeGreaterThanOrEqual(0.02)
  expect(Number(spent)).toBeLessThan(0.02 + 0.005)
  // The gate keeps the limits: the provider had to say no by its own bad moments alone.
  expect(lines.filter((line) => line.includes('"over-limit"'))).toEqual([])
}, 300_000)
