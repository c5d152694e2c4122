/** `sitter agent check`: what passes, what fails, and what is said about it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Check } from '../../src/cell/cell.ts'

const root = join(import.meta.dirname, '..', '..')
const notifier = join(root, 'examples', 'any-language', 'notifier.py')
const villain = join(root, 'test', 'villains', 'program.py')

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'check-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const sitter = async (...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  const child = spawn(
    process.execPath,
    [...process.execArgv, '--conditions=source', join(root, 'src', 'main.ts'), ...words],
    {
      cwd: directory,
      env: { ...process.env, TMPDIR: directory, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number]
  return { code, stdout, stderr }
}
const json = async (...words: string[]) => {
  const { code, stdout } = await sitter('agent', 'check', '--json', ...words)
  const told = JSON.parse(stdout) as { ok: boolean; checks: Check[] }
  return { code, ...told, failed: told.checks.filter(({ ok }) => !ok).map(({ name }) => name) }
}

test('The example agent passes every check, and leaves nothing behind', async () => {
  const { code, stdout } = await sitter('agent', 'check', '--payload', '{"to":"Ada"}', '--', 'python3', notifier)
  expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([])
  expect(stdout).toMatch(/^✓ connect: .*\n✓ hello: /)
  expect(stdout).toMatch(/14 checks passed, 0 failed\n$/)
  expect(code).toBe(0)
  expect(await readdir(directory)).toEqual([])
})

test('A program that answers no strange request and tells its end but once is told so', async () => {
  const { code, ok, failed, checks } = await json('--within', '1s', '--task', 'echo', '--', 'python3', villain)
  expect(failed).toEqual(['told again', 'unknown method'])
  expect(checks.find(({ name }) => name === 'told again')).toMatchObject({
    expected: 'the same end again, after it was refused with kind "transient"',
    found: 'nothing came in time',
  })
  expect({ code, ok }).toEqual({ code: 1, ok: false })
})

test.each([
  ['that never connects', 'mute', ['connect']],
  ['that sends garbage', 'garbage', ['hello']],
  ['that names another agent', 'stranger', ['hello']],
])('A program %s fails there, and no further check is made', async (_what, mode, wanted) => {
  const { failed, code } = await json('--within', '1s', '--', 'python3', villain, mode)
  expect(failed).toEqual(wanted)
  expect(code).toBe(1)
})

test('A program that ends at once is told with its exit code', async () => {
  const { checks } = await json('--', 'sh', '-c', 'exit 3')
  expect(checks).toEqual([
    { name: 'connect', expected: 'a connection to SITTER_SOCKET', ok: false, found: 'it ended with exit code 3' },
  ])
})

test('A program that is not there is no failed check but an error that names it', async () => {
  const { code, stderr } = await sitter('agent', 'check', '--', 'python-of-the-moon')
  expect(stderr).toContain('the program python-of-the-moon is not on this machine')
  expect(code).toBe(75)
})
