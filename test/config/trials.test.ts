/** Agents' code is loaded for trial, in real children: what is wrong is told with its place, and nothing is touched. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig, refuseBroken, tryAgents, typesWithNewCode, type Trial } from '../../src/config/config.ts'
import type { SwarmConfig } from '../../src/model/model.ts'
import { realClock, realDisk, realProc } from '../../src/std/real/real.ts'

const ports = { disk: realDisk(), proc: realProc(), clock: realClock() }
const sdk = join(import.meta.dirname, '..', '..', 'src', 'agent', 'agent.ts')
const agent = `import { defineAgent } from ${JSON.stringify(sdk)}\nexport default defineAgent({ tasks: {} })\n`
let root: string
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'trials-')))
  await writeFile(join(root, 'package.json'), '{ "type": "module" }')
})
afterAll(() => rm(root, { recursive: true, force: true }))

const swarm = (agents: object): SwarmConfig => parseConfig({ name: 'small', agents }, root)
const tried = async (agents: object): Promise<readonly Trial[]> => tryAgents(ports, Object.values(swarm(agents).agents))
const triedCode = async (name: string, code: string): Promise<Trial> => {
  await writeFile(join(root, name), code)
  const [trial] = await tried({ one: { run: { module: `./${name}` } } })
  return trial!
}

test('A module that loads is tried once for all types that run it', async () => {
  await writeFile(join(root, 'good.ts'), agent)
  const run = { module: './good.ts' }
  const trials = await tried({ one: { run }, two: { run }, none: { run: { module: './gone.ts' }, count: 0 } })
  expect(trials).toMatchObject([{ types: ['one', 'two'], outcome: 'loads' }])
})

test('A missing package is named with file, line and the way out', async () => {
  expect(
    await triedCode('missing.ts', `// mail\nimport mail from 'left-pad/deep'\n${agent}console.log(mail)\n`),
  ).toEqual({
    types: ['one'],
    what: join(root, 'missing.ts'),
    outcome: 'cannot',
    why: `${join(root, 'missing.ts')}:2: Cannot find package 'left-pad'`,
    wayOut: `npm install left-pad in ${root}, or take the import out`,
  })
})

test.each([
  ['syntax.ts', 'const a: = 1\n', 'cannot', 'syntax.ts:1: '],
  ['nothing.ts', 'export default { tasks: {} }\n', 'cannot', 'must export defineAgent'],
  ['throws.ts', "throw new TypeError('no such thing')\n", 'cannot', 'throws.ts:1: TypeError: no such thing'],
  ['beside.ts', "import { x } from './not-there.ts'\nconsole.log(x)\n", 'cannot', 'beside.ts:1: Cannot find module'],
  ['reads.ts', `import { readFileSync } from 'node:fs'\nreadFileSync('/etc/hostname')\n`, 'unknown', 'FileSystemRead'],
  // A host has it; a trial is without it.
  [
    'record.ts',
    `import { DatabaseSync } from 'node:sqlite'\n${agent}new DatabaseSync(':memory:')\n`,
    'unknown',
    'sqlite',
  ],
  ['ends.ts', 'process.exit(3)\n', 'unknown', 'exit 3'],
])('%s is told as it is', async (name, code, outcome, why) => {
  expect(await triedCode(name, code)).toMatchObject({ outcome, why: expect.stringContaining(why) })
})

test('A trial touches nothing: files, processes, network and the environment are not granted', async () => {
  const place = join(root, 'written')
  const code = [
    "import { writeFileSync } from 'node:fs'",
    "import { spawnSync } from 'node:child_process'",
    `try { writeFileSync(${JSON.stringify(place)}, 'x') } catch {}`,
    `try { spawnSync('touch', [${JSON.stringify(place)}]) } catch {}`,
    "if (process.env.PATH !== undefined || process.env.HOME !== undefined) throw new Error('it has an environment')",
    agent,
  ]
  expect(await triedCode('touches.ts', code.join('\n'))).toMatchObject({ outcome: 'loads' })
  expect(existsSync(place)).toBe(false)
})

test('What lies beside code is not shown: the data directory and .env, where the machine has bubblewrap', async () => {
  await mkdir(join(root, '.sitter'), { recursive: true })
  await writeFile(join(root, '.sitter', 'operator.token'), 'swt_secret')
  await writeFile(join(root, '.env'), 'KEY=secret')
  const [folder, file] = [join(root, '.sitter'), join(root, '.env')].map((path) => JSON.stringify(path))
  const code = [
    "import { readFileSync, readdirSync } from 'node:fs'",
    'const seen = (look: () => unknown) => { try { return String(look()) } catch { return "" } }',
    `throw new Error(\`saw \${seen(() => readdirSync(${folder}))}\${seen(() => readFileSync(${file}, 'utf8'))}.\`)`,
  ]
  const { why } = await triedCode('looks.ts', code.join('\n'))
  const isWalled = process.env['PATH']!.split(':').some((path) => existsSync(join(path, 'bwrap')))
  expect(why).toContain(isWalled ? 'saw .' : 'saw operator.token')
})

test('A program is looked for, and so is the script that it is to run', async () => {
  const trials = await tried({
    absent: { run: { command: ['surely-no-such-program'] } },
    script: { run: { command: ['sh', 'agents/x.py'] } },
    there: { run: { exec: ['sh', '-c', 'cat'] } },
  })
  expect(trials.map(({ outcome, why }) => [outcome, why])).toEqual([
    ['cannot', "the program surely-no-such-program is not on this machine's PATH"],
    ['cannot', `there is no file ${join(root, 'agents/x.py')}`],
    ['loads', ''],
  ])
})

test("Every type that cannot be loaded is a fault of its own, and only new code is somebody's to mend now", async () => {
  await writeFile(join(root, 'bad.ts'), "import 'left-pad'\n")
  await writeFile(join(root, 'good.ts'), agent)
  const bad = { run: { module: './bad.ts' } }
  const config = swarm({ one: bad, two: bad, good: { run: { module: './good.ts' } } })
  const trials = await tryAgents(ports, Object.values(config.agents))
  expect(() => refuseBroken(trials, config, 'x.ts')).toThrow(
    /x\.ts has 2 errors[^]*agents\.one\.run\.module[^]*agents\.two/,
  )
  const names = (before: object | undefined): readonly string[] =>
    typesWithNewCode(before && swarm(before), config).map(({ name }) => name)
  expect(names(undefined)).toEqual(['one', 'two', 'good'])
  expect(names({ one: { ...bad, count: 5 }, two: { run: { module: './other.ts' } } })).toEqual(['two', 'good'])
})

test('A vm type is tried by its own engine, also where a pool runs the same module; without one it is not known', async () => {
  const run = { module: './both.mjs' }
  await writeFile(join(root, 'both.mjs'), agent)
  const config = swarm({ one: { run }, two: { run, cell: 'vm' }, three: { run, cell: 'vm' } })
  const asked: string[] = []
  const checkVm = async (module: string) => {
    asked.push(module)
    return { found: 'an import of "node:fs" in both.mjs', expected: 'what is not Node' }
  }
  const trials = await tryAgents({ ...ports, checkVm }, Object.values(config.agents))
  expect(trials).toMatchObject([
    { types: ['one'], outcome: 'loads' },
    { types: ['two', 'three'], outcome: 'cannot' },
  ])
  expect(asked).toEqual([join(root, 'both.mjs')])
  expect(() => refuseBroken(trials, config, 'x.ts')).toThrow(
    /agents\.three\.run\.module: found .*an import of "node:fs".*what is not Node/,
  )
  const [, unasked] = await tryAgents(ports, Object.values(config.agents))
  expect(unasked).toMatchObject({ types: ['two', 'three'], outcome: 'unknown' })
  expect(typesWithNewCode(swarm({ one: { run, cell: 'vm' } }), config).map(({ name }) => name)).toEqual([
    'one',
    'two',
    'three',
  ])
})
