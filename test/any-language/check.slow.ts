/** `sitter agent check`: what passes, what fails, and what is said about it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Check } from '../../src/cell/cell.ts'

const root = join(import.meta.dirname, '..', '..')
const notifier = join(root, 'examples', 'any-language', 'notifier.py')
const villain = join(root, 'test', 'villains', 'program.py')
/** Keeps the protocol but for the fault that it is told. */
const faulty = join(root, 'test', 'villains', 'agent.py')

/** The command in a directory of its own, which must be empty when it is over. */
const sitter = async (...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  const directory = await mkdtemp(join(tmpdir(), 'check-'))
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
  await rmdir(directory)
  return { code, stdout, stderr }
}
const json = async (...words: string[]) => {
  const { code, stdout } = await sitter('agent', 'check', '--json', ...words)
  const told = JSON.parse(stdout) as { ok: boolean; checks: Check[] }
  const named = (wanted: Check['outcome']) => told.checks.filter(({ outcome }) => outcome === wanted)
  const found = Object.fromEntries(told.checks.map((check) => [check.name, check.found]))
  return { code, ...told, found, failed: named('failed').map(({ name }) => name), untested: named('not tested') }
}

test('The example agent fails no check; what its short task cannot show is not passed but named', async () => {
  const { code, stdout } = await sitter('agent', 'check', '--payload', '{"to":"Ada"}', '--', 'python3', notifier)
  expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([])
  expect(stdout).toMatch(/^✓ connect: .*\n✓ hello: /)
  expect(stdout).toMatch(
    /\n– cancel: not tested, the task ended by itself \(done .*\); give --payload one that takes more than 5 s\n/,
  )
  expect(stdout).toMatch(/17 checks passed, 0 failed, 2 not tested\n$/)
  expect(code).toBe(0)
})

test('An agent that keeps the protocol passes every check with a task that lasts', async () => {
  const { code, stdout } = await sitter('agent', 'check', '--payload', '{"ms":1500}', '--', 'python3', faulty)
  expect(stdout).toMatch(/19 checks passed, 0 failed\n$/)
  expect(code).toBe(0)
})

const atOnce = { ms: 0 }
const lasting = { ms: 1_500 }
const endless = { ms: 60_000 }

/** Per fault: a payload that brings it out, the checks that fail, and what is said of the first. */
test.concurrent.each([
  ['blocking', lasting, ['ping at work'], /^after \d{4} ms, behind the end of the task: read frames in one thread/],
  ['forgetful-ping', atOnce, ['in hand'], /^open was \[\] when it had been given, \[\] when its end was told$/],
  ['deaf-to-cancel', atOnce, ['cancel'], /^nothing came in \d+ ms; after 5000 ms a sitter kills the program$/],
  ['forgets-with-link', atOnce, ['lost link', 'end after it'], /^open was \[\], without .*"epoch":7/],
  ['silent-after-link', atOnce, ['end after it'], /^nothing came in \d+ ms$/],
  ['without-epoch', atOnce, ['lost link'], /^hello: open\[0\]\.epoch: must be a whole number/],
  ['hasty-drain', atOnce, ['drain'], /^after \d+ ms, with att_check_4 in hand \(open \["att_check_4"\]\)$/],
  ['greedy-drain', atOnce, ['drain'], /^it took att_check_5, which came after drain$/],
  ['unknown-kind', atOnce, ['run', 'whole frames'], /error\.kind: "transitory" is none of transient permanent/],
  ['long-id', atOnce, ['run', 'whole frames'], /^id: must be a number or text of at most 200 characters$/],
  ['without-jsonrpc', atOnce, ['hello'], /^jsonrpc: must be "2\.0"$/],
  ['pretty', atOnce, ['hello'], /^a frame must be one JSON object on one line; it begins with "\{"$/],
  ['without-attempt', atOnce, ['run', 'whole frames'], /1 with a fault, first: done .* – done: attempt: must be text/],
  ['beat-without-agent', atOnce, ['whole frames'], /^\d with a fault, first: beat: agent: must be text$/],
  ['fatal-log', atOnce, ['whole frames'], /first: log: level: must be one of debug info warn error$/],
  ['unknown-notification', atOnce, ['whole frames'], /first: gauge: there is no such method$/],
  ['impatient', atOnce, ['told again'], /^after \d+ ms: too soon$/],
  ['stubborn', atOnce, ['stale', 'whole frames'], /^it told the end once more: done$/],
  [
    'answers-notification',
    atOnce,
    ['unknown notification', 'large line', 'whole frames'],
    /^an answer to nothing that was asked on this connection \(id 99\)$/,
  ],
  ['dies', atOnce, ['ping at work'], /^it ended with exit code 3$/],
  [
    'endless',
    endless,
    ['run'],
    /^no such frame came in \d+ ms, only beat or log; it still has the task in hand: give --within more time, or --pay/,
  ],
] as const)('The fault "%s" is caught, and told once', { timeout: 60_000 }, async (fault, payload, wanted, what) => {
  const words = ['--within', '2s', '--payload', JSON.stringify(payload), '--', 'python3', faulty, fault]
  const { code, failed, found } = await json(...words)
  expect(failed).toEqual(wanted)
  expect(found[wanted[0]]).toMatch(what)
  expect(code).toBe(1)
})

test('What needs a check that failed is skipped, and says which', async () => {
  const { untested } = await json('--within', '1s', '--', 'python3', faulty, 'unknown-kind')
  expect(untested.slice(1).map(({ name, found }) => `${name}: ${found}`)).toEqual(
    ['in hand', 'told again', 'stale', 'cancel', 'taken', 'lost link', 'end after it', 'drain'].map(
      (name) => `${name}: skipped: it needs "run"`,
    ),
  )
})

test('A program that ends itself with its link is started anew for what is left', async () => {
  const { code, failed, found } = await json('--within', '2s', '--', 'python3', faulty, 'ends-with-link')
  expect(failed).toEqual([])
  expect(found).toMatchObject({
    'lost link': 'it ended with exit code 0, of itself',
    'end after it': 'it ended itself instead, which is fine',
    drain: expect.stringMatching(/^after \d+ ms$/) as string,
  })
  expect(code).toBe(0)
})

test('A task that the program does not name is warned of', async () => {
  const { stdout, code } = await sitter('agent', 'check', '--task', 'other', '--', 'python3', faulty)
  expect(stdout).toContain('! tasks: a task type in hello\n    found: ["work"] in hello do not name "other"\n')
  expect(stdout).toMatch(/0 failed, 2 not tested, 1 warning\n$/)
  expect(code).toBe(0)
})

test('A program that answers no strange request and tells its end but once is told so', async () => {
  const { code, ok, failed, found } = await json('--within', '1s', '--task', 'echo', '--', 'python3', villain)
  expect(failed.slice(0, 3)).toEqual(['in hand', 'told again', 'unknown method'])
  expect(found['told again']).toMatch(/^nothing came in \d{4} ms$/)
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
  expect(checks).toMatchObject([
    {
      name: 'connect',
      expected: 'a connection to SITTER_SOCKET',
      outcome: 'failed',
      found: 'it ended with exit code 3',
    },
    { name: 'the rest', outcome: 'not tested', found: 'it needs connect' },
  ])
})

test('A program that is not there fails the first check of all', async () => {
  const { code, failed, found } = await json('--', 'python-of-the-moon')
  expect(failed).toEqual(['start'])
  expect(found).toEqual({ start: 'the program python-of-the-moon is not on this machine' })
  expect(code).toBe(1)
})

test('A payload that is no JSON is refused with the place', async () => {
  const { code, stderr } = await sitter('agent', 'check', '--payload', '{"to":Ada}', '--', 'python3', faulty)
  expect(stderr).toContain('--payload is no JSON: Unexpected token \'A\', "{"to":Ada}" is not valid JSON')
  expect(stderr).toContain(`more: ${join(root, 'docs', 'errors.md')}, usage`)
  expect(code).toBe(2)
})
