/** bin/sitter.mjs, started the way a shim starts it: by whatever Node people have. */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const project = join(import.meta.dirname, '..')
/** Makes the running Node say that it is an old one: all that the launcher can see of it. */
const old = join(import.meta.dirname, 'old-node.mjs')

const program = `
  if (process.argv[2] === 'wait') { process.on('SIGTERM', () => process.exit(7)); setTimeout(() => {}, 60_000) }
  else process.exitCode = Number(process.argv[2] ?? 0) || 0
  const { argv, execArgv, version } = process
  console.log(JSON.stringify({ args: argv.slice(2), flags: execArgv, version, file: import.meta.filename }))
  if (argv[2] === 'die') process.kill(process.pid, 'SIGKILL')
`

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'sitter-launcher-'))
  await mkdir(join(home, 'src'))
  await cp(join(project, 'bin'), join(home, 'bin'), { recursive: true })
  await cp(join(project, 'package.json'), join(home, 'package.json'))
  await symlink(join(project, 'node_modules'), join(home, 'node_modules'))
  await writeFile(join(home, 'src', 'main.ts'), program)
})
afterEach(() => rm(home, { recursive: true, force: true }))

interface End {
  readonly code: number | null
  readonly signal: string | null
  readonly out: string
  readonly err: string
}

/** Runs the launcher; `seen` gets its process once the program has said its first line. */
const launch = (by: readonly string[], args: readonly string[], seen?: (kill: () => void) => void): Promise<End> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...by, join(home, 'bin', 'sitter.mjs'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      seen?.(() => child.kill('SIGTERM'))
    })
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString()
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, out, err }))
  })

const nodes = [
  ['Node 26', []],
  ['an old Node', ['--import', old]],
] as const

test.for(nodes)('Started by %s it runs the sources on Node 26 with the arguments as they are', async ([, by]) => {
  const end = await launch(by, ['4', '--json', 'two words', ''])
  expect(end).toMatchObject({ code: 4, err: '' })
  const said = JSON.parse(end.out) as { args: string[]; flags: string[]; version: string }
  expect(said.args).toEqual(['4', '--json', 'two words', ''])
  expect(said.flags).toEqual(['--disable-warning=ExperimentalWarning', '--conditions=source'])
  expect(said.version).toMatch(/^v26\./)
})

test.for(nodes)('Started by %s it passes signals down and the end up', async ([, by]) => {
  expect(await launch(by, ['wait'], (kill) => kill())).toMatchObject({ code: 7 })
  expect(await launch(by, ['die'])).toMatchObject({ code: null, signal: 'SIGKILL' })
})

test('Without sources it runs what was built from them', async () => {
  await mkdir(join(home, 'dist'))
  await writeFile(join(home, 'dist', 'main.js'), program)
  await rm(join(home, 'src'), { recursive: true })
  const end = await launch([], [])
  expect(end).toMatchObject({ code: 0 })
  expect(end.out).toContain(join('dist', 'main.js'))
})

test('On an old Node, with no Node 26 beside it, it says so with the way out and ends with 69', async () => {
  await rm(join(home, 'node_modules'))
  const end = await launch(['--import', old], ['status'])
  expect(end).toMatchObject({ code: 69, out: '' })
  expect(end.err).toContain('--include=optional')
  expect(end.err).toContain('v20.20.2')
})

test('A broken installation says what is missing', async () => {
  await rm(join(home, 'src'), { recursive: true })
  const end = await launch([], ['status'])
  expect(end).toMatchObject({ code: 69, out: '' })
  expect(end.err).toContain('dist/main.js')
})
