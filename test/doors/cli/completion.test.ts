import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { agentStates, taskStates } from '../../../src/model/model.ts'
import { offersFor } from '../../../src/doors/cli/completion.ts'
import { home, main } from './child.ts'
import { run } from './inside.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean()
})

/** A directory in which a swarm with one agent type and one task type was applied. */
const applied = async (): Promise<string> => {
  const { directory, remove } = await home('http://127.0.0.1:1')
  cleanups.push(remove)
  const config = join(directory, 'swarm.config.json')
  const agents = { settler: { run: { command: ['/bin/true'] }, count: 1, cell: 'process' } }
  await writeFile(config, JSON.stringify({ name: 'x', agents, tasks: { pay: { agent: 'settler' } } }))
  const { applyConfig, loadConfig } = await import('../../../src/config/config.ts')
  const { realClock, realDisk, realProc } = await import('../../../src/std/real/real.ts')
  const [disk, proc, clock] = [realDisk(), realProc(), realClock()]
  await mkdir(join(directory, '.sitter', 'config'), { recursive: true })
  await applyConfig(disk, join(directory, '.sitter'), await loadConfig({ file: config, disk, proc, clock }))
  return directory
}

const offered = async (directory: string, ...words: string[]): Promise<string[]> => {
  const { code, stdout } = await run(directory, ['complete', '--', ...words])
  expect(code).toBe(0)
  return stdout
    .split('\n')
    .filter((text) => text !== '' && !text.startsWith(':'))
    .map((text) => text.split('\t')[0]!)
}

test('Verbs, their second words, options, and values of the swarm that was applied are offered', async () => {
  const directory = await applied()
  expect(await offered(directory, 'doc')).toEqual(['doctor'])
  expect(await offered(directory, '')).not.toContain('complete')
  expect(await offered(directory, 'settlement', 're')).toContain('resolve')
  expect(await offered(directory, 'logs', '--s')).toEqual(['--since'])
  expect(await offered(directory, 'ps', '--type', '')).toEqual(['settler'])
  expect(await offered(directory, 'ps', '--state', '')).toEqual([...agentStates])
  expect(await offered(directory, 'task', 'ls', '--state', '')).toEqual([...taskStates])
  expect(await offered(directory, 'task', 'add', '')).toEqual(['pay'])
  expect(await offered(directory, 'restart', 's')).toEqual(['settler'])
  expect(await offered(directory, 'describe', '')).toEqual([])
})

test('Without a swarm the words are offered and no values are made up', async () => {
  const { directory, remove } = await home()
  cleanups.push(remove)
  expect(await offered(directory, 'stat')).toEqual(['status'])
  expect(await offered(directory, 'ps', '--type', '')).toEqual([])
})

test('The scripts are for the shells they name, and another shell is refused', async () => {
  const { directory, remove } = await home()
  cleanups.push(remove)
  const bash = await run(directory, ['completion', 'bash'])
  expect(spawnSync('bash', ['-n'], { input: bash.stdout, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  expect(bash.stdout).toContain(' complete -- ')
  // Without the program on PATH, the project's own is asked.
  expect(bash.stdout).toContain('npx --no-install sitter')
  for (const shell of ['bash', 'zsh', 'fish'])
    expect((await run(directory, ['completion', shell])).stdout).not.toMatch(/\beval\b|\bsource\b/)
  expect((await run(directory, ['completion', 'zsh'])).stdout).toContain('#compdef sitter')
  expect((await run(directory, ['completion', 'fish'])).stdout).toContain('complete -c sitter')
  expect(await run(directory, ['completion', 'tcsh'])).toMatchObject({ code: 2, stdout: '' })
})

/** A bash with the script and a `sitter` of ours: what Tab asks it with these words on the line, unexpanded as readline hands them over. */
const bashIn = async (directory: string, program: string): Promise<(...words: string[]) => string[]> => {
  const bin = join(directory, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'sitter'), `#!/bin/sh\n${program}\n`, { mode: 0o755 })
  const call = 'COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _sitter_complete; printf "%s\\n" "${COMPREPLY[@]}"'
  const script = `${(await run(directory, ['completion', 'bash'])).stdout}\n${call}`
  return (...words) => {
    const ended = spawnSync('bash', ['-c', script, 'bash', 'sitter', ...words], {
      cwd: directory,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` },
    })
    expect(ended.stderr).toBe('')
    return ended.stdout.split('\n').filter((line) => line !== '')
  }
}

test('In a real bash words are completed, also behind a sign that bash takes for a word', async () => {
  const directory = await applied()
  const tab = await bashIn(directory, `exec '${process.execPath}' --conditions=source '${main}' "$@"`)
  expect(tab('settl')).toEqual(['settle', 'settlement'])
  expect(tab('ps', '--type', '=', 'set')).toEqual(['settler'])
})

test.each([
  '$(touch ran)',
  '`touch ran`',
  '"; touch ran; "',
  "'; touch ran #",
  'x[$(touch ran)]',
  '-$(touch ran)',
  '<(touch ran)',
])('What was typed before Tab is never run by bash: %s', async (evil) => {
  const { directory, remove } = await home()
  cleanups.push(remove)
  // It answers with the same word, as a name that somebody chose could be: that must not be run either.
  const tab = await bashIn(directory, 'for word; do printf "%s\\0" "$word"; done > asked; printf "%s\\tx\\n" "$3"')
  expect(tab(evil, 'st')).toEqual([evil])
  expect(tab('task', evil, '')).toEqual(['task'])
  expect((await readFile(join(directory, 'asked'), 'utf8')).split('\0')).toEqual([
    'complete',
    '--',
    'task',
    evil,
    '',
    '',
  ])
  expect(await readdir(directory)).toEqual(['asked', 'bin'])
})

test('What a shell would obey is never offered, whatever a configuration is named', () => {
  const verbs = [
    {
      path: 'go',
      group: 'Run',
      summary: 'x',
      parameters: [['<agent|type>', '']],
      examples: [],
      gives: '',
      load: async () => never,
    },
  ] as const
  const never = async (): Promise<number> => 1
  const values = { agentTypes: ['ok', '$(touch x)', 'a b', '`id`', 'a;b', '~', '\u001b[2J'] }
  const none = { taskTypes: [], channels: [], upstreams: [], credentials: [] }
  expect(offersFor({ verbs, groupSummaries: {} }, ['go', ''], { ...none, ...values })).toEqual([
    { value: 'ok', what: '' },
  ])
})

test('A value behind its option is offered in one word and in two, after -- no option is', async () => {
  const directory = await applied()
  expect(await offered(directory, 'ps', '--type=s')).toEqual(['--type=settler'])
  expect(await offered(directory, '--url', 'http://x', 'ps', '--type', 's')).toEqual(['settler'])
  expect(await offered(directory, 'agent', 'check', '--', '--')).toEqual([])
  expect(await offered(directory, 'completion', '')).toEqual(['bash', 'zsh', 'fish'])
})

test('Options of every verb may stand before it, and the nearest to the end wins', async () => {
  const { directory, remove } = await home()
  cleanups.push(remove)
  const before = await run(directory, ['--url', 'http://127.0.0.1:1', '--token', 'x', '--json', 'status'])
  expect(before.code).toBe(69)
  expect(JSON.parse(before.stderr)).toMatchObject({ error: { code: 'no-sitter' } })
  const group = await run(directory, [
    '--data-dir',
    '/first',
    'task',
    '--data-dir',
    '/second',
    'ls',
    '--data-dir',
    '/third',
  ])
  expect(group.stderr).toContain('/third')
  const later = await run(directory, ['--token', 'status', 'statu'])
  expect(later.code).toBe(2)
  expect(later.stderr).toContain("unknown verb 'statu'")
  const none = await run(directory, ['--token'])
  expect(none.code).toBe(2)
})
