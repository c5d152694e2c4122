/** Configs in files, evaluated in a real child. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { applyConfig, loadConfig, readApplied, type LoadedConfig } from '../../src/config/config.ts'
import { Failure } from '../../src/std/std.ts'
import { realClock, realDisk, realProc } from '../../src/std/real/real.ts'

const ports = { disk: realDisk(), proc: realProc(), clock: realClock() }
let root: string
let count = 0

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'swarm-config-')))
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** Writes files into a folder of their own and gives its path. */
const folder = async (files: Readonly<Record<string, string>>): Promise<string> => {
  count += 1
  const directory = join(root, String(count))
  for (const [name, text] of Object.entries({ 'agent.ts': '', ...files })) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  return directory
}
const load = async (
  files: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
  file = 'swarm.config.ts',
): Promise<LoadedConfig> => loadConfig({ ...ports, environment, file: join(await folder(files), file) })

const refusal = async (loading: Promise<unknown>): Promise<Failure> => {
  const error: unknown = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(Failure)
  return error as Failure
}

const swarm = (more = '', before = ''): string => `
import { defineSwarm, env } from 'swarmsitter'
${before}
export default defineSwarm({ name: 'small', agents: { one: { run: { module: './agent.ts' } } }, ${more} })
`

test('A config is evaluated and its own imports are read', async () => {
  const loaded = await load({
    'swarm.config.ts': swarm(
      'api: { port }',
      `import { port } from './ports.ts'\nconsole.log('swarmsitter:+{"asked":[]}')`,
    ),
    'ports.ts': 'export const port: number = 7123',
  })
  expect(loaded.config.api.port).toBe(7_123)
  expect(loaded.config.agents['one']?.run.module).toBe(join(loaded.baseDirectory, 'agent.ts'))
})

test('A JSON config is read as it is, its schema key plays no part', async () => {
  const raw = { $schema: 'swarmsitter/schema.json', name: 'small', agents: { one: { run: { module: './agent.ts' } } } }
  const loaded = await load({ 'swarm.config.json': JSON.stringify(raw) }, {}, 'swarm.config.json')
  expect(loaded.config.name).toBe('small')
  const broken = await refusal(load({ 'swarm.config.json': '{"name": ' }, {}, 'swarm.config.json'))
  expect([broken.code, broken.message]).toEqual(['config-unreadable', expect.stringContaining('not JSON')])
})

test('Variables come from the environment, then from .env, then from the default', async () => {
  const files = {
    'swarm.config.ts': swarm(`api: { port: env('PORT', '7001'), host: env('HOST', '127.0.0.1') }`),
    '.env': 'PORT=7002\nHOST=',
  }
  expect((await load(files, { PORT: '7003' })).config.api).toEqual({ host: '127.0.0.1', port: 7_003 })
  expect((await load(files)).config.api.port).toBe(7_002)
  expect((await load({ ...files, '.env': '' })).config.api.port).toBe(7_001)
})

test('Every unset variable without default is named at once', async () => {
  const error = await refusal(
    load({ 'swarm.config.ts': swarm(`api: { port: env('THE_PORT'), host: new URL(env('THE_URL')).host }`) }),
  )
  expect(error.code).toBe('config-invalid')
  expect(error.message).toMatch(/env\('THE_PORT'\).*THE_PORT to be set/)
  expect(error.message).toMatch(/env\('THE_URL'\)/)
})

test('A name that depends on another variable is found too', async () => {
  const loaded = await load(
    { 'swarm.config.ts': swarm(`api: { port: env(env('WHICH')) }`) },
    { WHICH: 'OTHER', OTHER: '7009' },
  )
  expect(loaded.config.api.port).toBe(7_009)
})

test('A config sees no variable that it did not ask for', async () => {
  const before = `const seen = Object.keys(process.env).join() + JSON.stringify(process.env)`
  const loaded = await load(
    {
      'swarm.config.ts': swarm('', `${before}\nenv('ASKED', '')`).replace(
        "'./agent.ts' }",
        "'./agent.ts' }, config: { seen }",
      ),
    },
    {
      ASKED: 'visible-value',
      BANK_TOKEN: 'canary-value',
      NODE_OPTIONS: '--no-warnings',
    },
  )
  const { seen } = loaded.config.agents['one']!.config as { seen: string }
  expect(seen).toContain('visible-value')
  expect(seen).not.toMatch(/canary|BANK_TOKEN|NODE_OPTIONS|HOME/)
})

test('A config that writes, reads beyond its project, starts a program, or opens a database is refused', async () => {
  const outside = join(root, 'outside.txt')
  await writeFile(outside, 'private')
  const deeds = [
    `import { writeFileSync } from 'node:fs'\nwriteFileSync('./evil.txt', 'x')`,
    `import { readFileSync } from 'node:fs'\nreadFileSync(${JSON.stringify(outside)})`,
    `import { execSync } from 'node:child_process'\nexecSync('touch evil.txt')`,
    `import { DatabaseSync } from 'node:sqlite'\nnew DatabaseSync('./evil.txt').exec('create table a (b)')`,
  ]
  for (const deed of deeds) {
    const directory = await folder({ 'swarm.config.ts': swarm('', deed) })
    const error = await refusal(loadConfig({ ...ports, environment: {}, file: join(directory, 'swarm.config.ts') }))
    expect(error.code).toBe('config-unreadable')
    expect(error.message).toMatch(/which a config may not|No such built-in module/)
    expect(existsSync(join(directory, 'evil.txt'))).toBe(false)
  }
})

test('A config reaches no network', async () => {
  const { createServer } = await import('node:http')
  let asked = 0
  const server = createServer((_, response) => {
    asked += 1
    response.end('7005')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as { port: number }
  const error = await refusal(load({ 'swarm.config.ts': swarm('', `await fetch('http://127.0.0.1:${port}')`) }))
  server.close()
  expect([error.code, asked]).toEqual(['config-unreadable', 0])
})

test('A syntax error is told with file and line, in .ts and .js, in the config and in what it imports', async () => {
  const good = 'export default { name: "small" }'
  const faults: readonly (readonly [Record<string, string>, string, RegExp])[] = [
    [{ 'swarm.config.ts': `${good}\nconst a: = 1\n` }, 'swarm.config.ts', /swarm\.config\.ts:2: SyntaxError/],
    [{ 'swarm.config.js': `${good}\n\nconst a = {,}\n` }, 'swarm.config.js', /swarm\.config\.js:3: SyntaxError/],
    [
      { 'swarm.config.ts': `import './b.js'\n${good}`, 'b.js': '\n\n\nlet 1' },
      'swarm.config.ts',
      /b\.js:4: SyntaxError/,
    ],
    [{ 'swarm.config.ts': `${good}\n\n\nnull.x\n` }, 'swarm.config.ts', /swarm\.config\.ts:4: TypeError/],
  ]
  for (const [files, file, told] of faults) {
    const error = await refusal(load(files, {}, file))
    expect(error.code).toBe('config-unreadable')
    expect(error.message).toMatch(told)
  }
})

test('What JSON cannot carry is refused with its path', async () => {
  const error = await refusal(load({ 'swarm.config.ts': swarm('api: { port: () => 7 }, tasks: { a: new Date() }') }))
  expect(error.facts['errors']).toEqual([
    expect.stringContaining('api.port: found a function'),
    expect.stringContaining('tasks.a: found an object of Date'),
  ])
})

test('A variable that is not set hides no other fault, and brings none of its own', async () => {
  const failed = await refusal(
    load({
      'swarm.config.ts': `import { defineSwarm, env } from 'swarmsitter'
export default defineSwarm({
  name: env('NAME'), agents: { one: { run: { module: './agent.ts' }, count: -1, heartbeat: 5 } } })`,
      'agent.ts': '',
    }),
  )
  expect(failed.facts['errors']).toEqual([
    "env('NAME'): found nothing, expected NAME to be set in the environment or in .env beside the config (line 3)",
    expect.stringMatching(/^agents\.one\.count: found -1, expected .* \(line 3\)$/),
    expect.stringMatching(/^agents\.one\.heartbeat: found 5, expected a duration over zero like .* \(line 3\)$/),
  ])
})

test('No file, no export, another ending, and a lost module are told with the way out', async () => {
  const nothing = await refusal(load({}))
  expect([nothing.code, nothing.message]).toEqual([
    'config-unreadable',
    expect.stringContaining('there is no such file'),
  ])
  expect((await refusal(load({ 'swarm.config.ts': 'export const a = 1' }))).message).toContain(
    'export default defineSwarm',
  )
  expect((await refusal(load({ 'swarm.yaml': '' }, {}, 'swarm.yaml'))).message).toContain('a config ends in .json, .ts')
  const lost = await refusal(
    load({ 'swarm.config.ts': swarm(`api: { prot: 1 }`).replace('./agent.ts', './nowhere.ts') }),
  )
  expect(lost.facts['errors']).toEqual([
    expect.stringContaining('api.prot'),
    expect.stringMatching(/agents\.one\.run\.module: found "\.\/nowhere\.ts", expected a file/),
  ])
})

test('A config that never ends is given up, and its process with it', async () => {
  const directory = await folder({ 'swarm.config.ts': swarm('', 'for (;;);') })
  let pid = 0
  const fire: (() => void)[] = []
  // The time limit is moved by hand: it fires as soon as the child runs.
  const clock = {
    ...ports.clock,
    timer: (_: number, act: () => void) => {
      fire.push(act)
      return () => {}
    },
  }
  const proc = {
    ...ports.proc,
    spawn: async (options: Parameters<typeof ports.proc.spawn>[0]) => {
      const child = await ports.proc.spawn(options)
      pid = child.identity.pid
      setImmediate(() => fire[0]!())
      return child
    },
  }
  const error = await refusal(
    loadConfig({ disk: ports.disk, proc, clock, environment: {}, file: join(directory, 'swarm.config.ts') }),
  )
  expect([error.code, error.message]).toEqual([
    'config-unreadable',
    expect.stringContaining('not evaluated within 10 s'),
  ])
  expect(ports.proc.startTime(pid)).toBeUndefined()
})

test('A config that ends its process says so', async () => {
  const error = await refusal(load({ 'swarm.config.ts': swarm('', 'console.error("so long"); process.exit(3)') }))
  expect(error.message).toMatch(/ended early \(exit 3\)[^]*so long/)
})

test('A large config with any characters arrives whole', async () => {
  const text = '\u{1F41D}é\u2028'.repeat(40_000)
  const files = {
    'swarm.config.ts': swarm('', `const text = ${JSON.stringify(text)}`).replace(
      "'./agent.ts' }",
      "'./agent.ts' }, config: { text }",
    ),
  }
  expect((await load(files)).config.agents['one']?.config['text']).toBe(text)
})

test('The applied config is read back as it was, and refused when it was changed', async () => {
  const loaded = await load({ 'swarm.config.ts': swarm() })
  const dataDirectory = join(loaded.baseDirectory, '.sitter')
  const absent = await refusal(readApplied(ports.disk, dataDirectory))
  expect([absent.code, absent.message]).toEqual([
    'config-unreadable',
    expect.stringContaining('no config was applied yet'),
  ])
  const applied = await applyConfig(ports.disk, dataDirectory, loaded)
  expect(await readApplied(ports.disk, dataDirectory)).toEqual(applied)
  const place = join(dataDirectory, 'config', 'current.json')
  const text = await ports.disk.readText(place)
  await writeFile(place, text.replace('"small"', '"smell"'))
  expect((await refusal(readApplied(ports.disk, dataDirectory))).message).toContain('its hash does not fit')
  await writeFile(place, text.slice(0, 40))
  expect((await refusal(readApplied(ports.disk, dataDirectory))).message).toContain('not JSON')
})

test('A configuration that has no end, or hardly one, is refused before it is read', async () => {
  const directory = await folder({ 'large.json': '' })
  await symlink('/dev/zero', join(directory, 'endless.json'))
  await truncate(join(directory, 'large.json'), 10_000_000_000)
  for (const [name, why] of [
    ['endless.json', 'it is a device, and no plain file'],
    ['large.json', 'it has more than 67108864 bytes'],
  ] as const) {
    const { code, message } = await refusal(loadConfig({ ...ports, environment: {}, file: join(directory, name) }))
    expect({ code, message }).toEqual({ code: 'config-unreadable', message: expect.stringContaining(why) as string })
  }
})
