/** The process behind `_porter --data-dir D`: hears the gate by the line between them, and ends with it. */
import { rename } from 'node:fs/promises'
import { flushCompileCache } from 'node:module'
import { createServer, type Server } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readApplied } from './config/config.ts'
import { realKeyFiles, runWith } from './gate-outside.ts'
import { startHeir } from './heir.ts'
import { placesOf } from './places.ts'
import { mayOpen, type PathDeed, type PorterWorld } from './porter-rules.ts'
import type { PorterAnswer, PorterAsk } from './porter.ts'
import { realClock, realDisk, realProc } from './std/real/real.ts'
import { asFailure, canonicalJson, Failure } from './std/std.ts'
import type { RunCommand } from './vault/vault.ts'

const disk = realDisk()
const keys = realKeyFiles()

/** Sockets that were made for the gate, and have not got their place yet. */
const made = new Map<string, Server>()

/**
 * A socket that listens, for the gate. This process listens by it too until it has let go of it, and whom it takes in
 * nobody ever answers: so it is made where nobody looks for it.
 */
const makeDoor = async (path: string): Promise<Server> => {
  const draft = `${path}.draft`
  await disk.remove(draft)
  // Who knocks at a draft is not let in.
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    // The cell's folder is 0700 and belongs to whom the cell runs as: the file itself is open to all who come so far.
    server.listen({ path: draft, readableAll: true, writableAll: true }, resolve)
  })
  made.set(path, server)
  return server
}

/** The gate has it, and answers whoever comes: it may be found, and the gate alone listens from now on. */
const placeDoor = async (path: string): Promise<null> => {
  const server = made.get(path)
  if (server === undefined) throw new Failure('not-found', `no socket was made for ${path}`)
  made.delete(path)
  // A handle that is closed takes the name away that it was made by: that is nobody's by then.
  await rename(`${path}.draft`, `${path}.made`).finally(() => server.close())
  await rename(`${path}.made`, path)
  return null
}

/** A program of the configuration as it is applied now, and no other. */
const isRotator = async (dataDirectory: string, run: Parameters<RunCommand>[0]): Promise<boolean> => {
  const { config } = await readApplied(disk, dataDirectory)
  return Object.values(config.credentials).some(({ rotation: { rotator } }) => {
    if (rotator.by !== 'command') return false
    const { command, directory, withinMs } = rotator
    const asked = { command: run.command, directory: run.directory, withinMs: run.withinMs }
    return canonicalJson({ command, directory, withinMs }) === canonicalJson(asked)
  })
}

/** Only what a program that rotates is told. */
const environmentNames: readonly string[] = ['SITTER_ROTATE', 'SITTER_CREDENTIAL', 'SITTER_LABEL']

const runRotator = async (dataDirectory: string, run: Parameters<RunCommand>[0]) => {
  const isKnown = Object.keys(run.environment).every((name) => environmentNames.includes(name))
  if (!isKnown || !(await isRotator(dataDirectory, run)))
    throw new Failure('not-allowed', 'this program rotates no credential of the configuration')
  return runWith(realProc(), realClock(), process.env)(run)
}

const onPaths: Readonly<Record<Exclude<PathDeed, 'door'>, (...given: never[]) => Promise<unknown>>> = {
  readTextIfThere: (path: string) => disk.readTextIfThere(path),
  writeWhole: (path: string, text: string) => disk.writeWhole(path, text, 0o600),
  makeDirectory: (path: string) => disk.makeDirectory(path, 0o700),
  exists: (path: string) => disk.exists(path),
  remove: (path: string) => disk.remove(path),
  placeDoor,
  keyRead: (path: string) => keys.read(path),
  keyCreate: (path: string, text: string) => keys.create(path, text),
  keyRename: (from: string, to: string) => keys.rename(from, to),
  keyRemove: (path: string) => keys.remove(path),
}

const pathsIn = ({ deed, arguments: given }: PorterAsk): readonly string[] =>
  given.slice(0, deed === 'keyRename' ? 2 : 1).map(String)

/** @throws Failure `not-allowed`, and what the system says. */
const doDeed = async (world: PorterWorld, ask: PorterAsk): Promise<{ value: unknown; door?: Server }> => {
  const { deed, arguments: given } = ask
  if (deed === 'run') return { value: await runRotator(world.places.data, given[0] as Parameters<RunCommand>[0]) }
  if (deed === 'heir') return { value: startHeir(world.places.data) }
  const wrong = pathsIn(ask).find((path) => !mayOpen(world, deed, path))
  if (wrong !== undefined) throw new Failure('not-allowed', `${deed} of ${wrong} is nothing that the gate needs`)
  if (deed === 'door') return { value: null, door: await makeDoor(String(given[0])) }
  return { value: await onPaths[deed](...(given as never[])) }
}

const say = (answer: PorterAnswer, door?: Server): void => {
  // The gate may be gone; then this process ends too.
  process.send?.(answer, door)
}

const failed = (id: number, error: unknown): PorterAnswer => {
  const isFailure = error instanceof Failure
  const code = isFailure ? error.code : ((error as NodeJS.ErrnoException).code ?? 'bug')
  return { id, ok: false, isFailure, code, message: asFailure(error).message, facts: isFailure ? error.facts : {} }
}

export const runPorter = async (argv: readonly string[]): Promise<void> => {
  const { values } = parseArgs({ args: [...argv], options: { 'data-dir': { type: 'string' } } })
  if (values['data-dir'] === undefined || process.send === undefined)
    throw new Failure('usage', 'the porter is started by the gate')
  const places = placesOf(resolve(values['data-dir']), process.env['XDG_RUNTIME_DIR'] ?? tmpdir())
  const { config } = await readApplied(disk, places.data).catch((error: unknown) => {
    // The gate has read it as well, and says what that means.
    process.stderr.write(`the porter: ${asFailure(error).message}\n`)
    return process.exit(1)
  })
  const world: PorterWorld = {
    places,
    swarm: config.name,
    keyPlaces: {
      credentialsDirectory: process.env['CREDENTIALS_DIRECTORY'] ?? null,
      configHome: process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'),
    },
  }
  process.on('disconnect', () => process.exit())
  // It serves until the gate has ended, which is told to end itself.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
  process.on('message', (message) => {
    const ask = message as PorterAsk
    doDeed(world, ask).then(
      ({ value, door }) => say({ id: ask.id, ok: true, value }, door),
      (error: unknown) => say(failed(ask.id, error)),
    )
  })
  say({ ready: true })
  flushCompileCache()
}
