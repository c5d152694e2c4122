import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { agentStates, taskStates } from '../../../src/model/model.ts'
import { home, run } from './child.ts'

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
  expect(bash.stdout).toContain('sitter complete -- ')
  expect((await run(directory, ['completion', 'zsh'])).stdout).toContain('#compdef sitter')
  expect((await run(directory, ['completion', 'fish'])).stdout).toContain('complete -c sitter')
  expect(await run(directory, ['completion', 'tcsh'])).toMatchObject({ code: 2, stdout: '' })
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
