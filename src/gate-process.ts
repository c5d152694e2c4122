/**
 * The gate's process. It ends when the watch's private line closes or by SIGTERM: it takes on nothing new, and finishes
 * what is in flight. While it is away agents wait, so it loads its code while what it needs besides is started.
 */
import { readFileSync, writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { beginHands, openHands, type Hands } from './gate-hands.ts'
import type { Log } from './gateway/gateway.ts'
import { startHeir } from './heir.ts'
import { placesOf } from './places.ts'
import { openPrivateLine, type PrivateLine } from './private-line.ts'
import { keptClock, realDisk, realNet, realRandom, refuseDumps } from './std/real/real.ts'
import { asFailure, Failure, type Clock } from './std/std.ts'
import type { KeyPlaces } from './vault/vault.ts'

/** NDJSON on stdout, written before the next statement runs: a dying gate's last words count. */
const lineLog =
  (clock: Clock): Log =>
  (level, message, fields = {}) => {
    writeSync(1, `${JSON.stringify({ at: clock.wallMs(), level, room: 'gate', message, ...fields })}\n`)
  }

const readVersion = (): string =>
  (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version

/** Told to end, or left alone by the watch: then whoever brings the swarm up again is started first. */
const waitForEnd = (
  clock: Clock,
  log: Log,
  leaveHeir: (() => Promise<void>) | null,
): { readonly line: PrivateLine; readonly ended: Promise<void> } => {
  const ending = Promise.withResolvers<void>()
  let asked = false
  const end = (isAsked: boolean) => (): void => {
    const heir = isAsked || asked || leaveHeir === null ? Promise.resolve() : leaveHeir()
    asked ||= isAsked
    void heir.catch(() => log('error', 'nobody could be started to bring the swarm up again')).finally(ending.resolve)
  }
  const line = openPrivateLine(clock, { closed: end(false), stop: end(true) })
  // Node would open its inspector for whoever sends it, and an inspector reads secrets.
  process.on('SIGUSR1', () => log('warn', 'SIGUSR1 is ignored: nobody looks into the gate'))
  process.on('SIGTERM', ending.resolve)
  process.on('SIGINT', ending.resolve)
  return { line, ended: ending.promise }
}

const keyPlacesOf = ({ CREDENTIALS_DIRECTORY, XDG_CONFIG_HOME }: NodeJS.ProcessEnv): KeyPlaces => ({
  credentialsDirectory: CREDENTIALS_DIRECTORY ?? null,
  configHome: XDG_CONFIG_HOME ?? join(homedir(), '.config'),
})

/** The process behind `_gate --data-dir D [--link-socket S]`; runs until it is told to end. */
export const runGate = async (argv: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...argv],
    options: { 'data-dir': { type: 'string' }, 'link-socket': { type: 'string' }, heir: { type: 'boolean' } },
  })
  const dataDirectory = resolve(values['data-dir'] ?? '.')
  const places = placesOf(dataDirectory, process.env['XDG_RUNTIME_DIR'] ?? tmpdir())
  const clock = keptClock(places.clock)
  const log = lineLog(clock)
  const late: { hands?: Hands } = {}
  const leaveHeir = async (): Promise<void> => late.hands?.heir() ?? startHeir(dataDirectory)
  const { line, ended } = waitForEnd(clock, log, values.heir === true ? leaveHeir : null)
  try {
    const dumps = await refuseDumps()
    if (dumps !== 'none') log('warn', 'a crash of the gate could leave its memory in a core file', { dumps })
    if (values['data-dir'] === undefined) throw new Failure('usage', 'the gate needs --data-dir')
    const begun = beginHands(dataDirectory)
    const [{ openGate }, { readApplied }] = await Promise.all([import('./gate.ts'), import('./config/config.ts')])
    let applied = await readApplied(realDisk(), dataDirectory)
    const rules = applied.config
    const hands = await openHands({ dataDirectory, swarm: rules.name, clock, begun })
    late.hands = hands
    hands.onGone(() => {
      log('error', "the gate's porter is gone: the gate can open nothing without it")
      process.exit(1)
    })
    const gate = await openGate({
      ...hands,
      journalBeside: true,
      dataDirectory,
      rules,
      clock,
      random: realRandom(),
      net: realNet(),
      version: readVersion(),
      log,
      linkSocket: values['link-socket'] ?? places.gateSocket,
      keyPlaces: keyPlacesOf(process.env),
      readRules: async () => {
        const next = await readApplied(hands.disk, dataDirectory)
        if (next.hash !== applied.hash) log('info', 'another configuration is taken over', { version: next.version })
        applied = next
        return next.config
      },
      onLost: (cause) => {
        log('error', cause.message, { code: asFailure(cause).code })
        process.exit(1)
      },
    })
    // A process that is killed writes no compiled code, and this one may write none as another user.
    flushCompileCache()
    const { uid, hidden, why } = hands.changeUser()
    const upstreams = Object.keys(rules.upstreams).length
    log('info', 'the gate is open', { pid: process.pid, dumps, upstreams, uid, hidden, why })
    line.ready({ pid: process.pid, gateId: gate.status().gateId })
    await ended
    await gate.stop()
    // Root made it, in a folder of root's: closing it could not take the file away.
    const isOurs = values['link-socket'] === undefined
    if (isOurs) await hands.disk.remove(places.gateSocket).catch(() => log('warn', 'its socket was left', {}))
    hands.close()
    log('info', 'the gate is closed')
  } catch (error) {
    const { code, message } = asFailure(error)
    log('error', message, { code })
    if (error instanceof Failure) await line.failed(error)
    process.exitCode = 1
  }
  void line.stop()
  process.exit()
}
