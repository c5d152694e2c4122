/**
 * A small world to be attacked: a process that stands for the sitter, a record and a vault with a secret, listeners, a
 * neighbour in a cell of its own. Real cells, real attempts; what came of each is seen from outside.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import type { Cell, CellKind, CellPlan } from '../../src/cell/cell.ts'
import { formatAgent } from '../../src/model/model.ts'
import { Ear, runOf, seats } from '../cell/harness.ts'
import { began, type Targets } from '../villains/hazards.ts'

export type KindName = CellPlan['kind']

export interface Outcome {
  /**
   * `contained`: it got nothing, and nobody but itself suffered. `cell-mates`: those in its own cell did. `neighbours`:
   * those in other cells did. `got`: the attack succeeded. `outlives`: something of it was left. `not-tried`: the
   * machine lacks what the attempt takes. `not-begun`: the villain itself could not run, which is a fault of this try.
   */
  readonly verdict: 'contained' | 'cell-mates' | 'neighbours' | 'got' | 'outlives' | 'not-tried' | 'not-begun'
  readonly detail: string
  /** The longest time for which the neighbour left a question open. */
  readonly neighbourMs: number
}

/** The bound of the promise: nobody else's heartbeat may be later than this. */
const isolationMs = 1_000
/** A villain that has said nothing for this long is killed, as the fleet would. */
const silentMs = 3_000
const askEveryMs = 100
const mostLines = 1_000

const villains = join(import.meta.dirname, '..', 'villains')

export interface World {
  /** With `shared` a program without walls stays the user of the sitter, also where it could be another. */
  tryHazard(kindName: KindName, hazard: string, user?: 'shared'): Promise<Outcome>
  close(): Promise<void>
}

const listenOn = async (where: string | number): Promise<Server> => {
  const server = createServer((socket) => {
    socket.on('error', () => {
      /* whoever came may go as it likes */
    })
    // That it could come is all that is asked; nothing of it may hold the end up.
    socket.destroy()
  })
  await new Promise<void>((resolve) => {
    if (typeof where === 'number') server.listen(where, '127.0.0.1', resolve)
    else {
      const open = !where.startsWith('\0')
      server.listen({ path: where, ...(open && { readableAll: true, writableAll: true }) }, resolve)
    }
  })
  return server
}

const withMark = (mark: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark) && Number(pid) !== process.pid
      } catch {
        return false // gone meanwhile
      }
    })
    .map(Number)

const secretIn = (path: string): void => {
  const database = new DatabaseSync(path)
  database.exec("CREATE TABLE secret (value TEXT); INSERT INTO secret VALUES ('canary-of-the-record')")
  database.close()
}

interface Place {
  readonly root: string
  readonly app: string
  readonly data: string
}

const makePlace = (): Place => {
  const root = mkdtempSync(join(tmpdir(), 'hazards-'))
  chmodSync(root, 0o755)
  const app = join(root, 'app')
  const data = join(app, '.sitter')
  for (const path of [app, data, join(data, 'gate'), join(data, 'cells'), join(data, 'run'), join(data, 'cache')])
    mkdirSync(path)
  chmodSync(data, 0o700)
  secretIn(join(data, 'swarm.db'))
  secretIn(join(data, 'gate', 'gate.db'))
  writeFileSync(join(app, '.env'), 'SECRET=canary-of-the-settings')
  for (const name of ['hazards.ts', 'hazards-pure.ts', 'program.py'])
    copyFileSync(join(villains, name), join(app, name))
  return { root, app, data }
}

const isModule = (kind: KindName): boolean => kind === 'pool' || kind === 'vm'

interface Who {
  readonly kind: KindName
  readonly id: string
  readonly role: 'villain' | 'neighbour'
  /** A program without walls is a user of its own. */
  readonly ownUser: boolean
}

const planFor = ({ kind, id, role, ownUser }: Who, place: Place): CellPlan => {
  const directory = join(place.data, 'cells', id)
  const isOther = ownUser && kind === 'process'
  const sockets = isOther ? join(place.root, 'doors', id) : directory
  const module = join(villains, kind === 'vm' ? 'hazards-vm.ts' : 'hazards-module.ts')
  const exec = [process.execPath, '--disable-warning=ExperimentalWarning', join(place.app, 'hazards.ts'), 'program']
  const command = ['python3', join(place.app, 'program.py')]
  const run: CellPlan['run'] = isModule(kind)
    ? { module }
    : role === 'villain'
      ? { exec, directory: place.app }
      : { command, directory: place.app }
  return {
    id,
    kind,
    agentType: 'villain',
    run,
    directory,
    gateSocket: join(sockets, 'gate.sock'),
    sitterSocket: join(sockets, 'sitter.sock'),
    ...(isOther && { ownUser: true as const }),
    seats: seats(isModule(kind) ? 2 : 1),
    ...(kind === 'vm' && { vm: { memoryBytes: 8_000_000, sliceMs: 100, agents: 2 } }),
    env: { CANARY: `canary-of-${role}` },
    memoryMb: 256,
    limits: { cpus: 1, processes: 64, files: 256, diskBytes: 32_000_000 },
    startWithinMs: 20_000,
  }
}

/** Asks a cell again and again; gives the longest time that a question was open, up to `silentMs`. */
const watch = (cell: Cell): { stop(): Promise<{ readonly worstMs: number; readonly alive: boolean }> } => {
  let over = false
  let worstMs = 0
  let alive = true
  const asking = (async (): Promise<void> => {
    for (let nonce = 0; !over; nonce += 1) {
      const startedMs = performance.now()
      await cell.ask('ping', { nonce: String(nonce) }, silentMs).catch(() => {
        alive = false
      })
      worstMs = Math.max(worstMs, performance.now() - startedMs)
      if (!alive) return
      await wait(askEveryMs)
    }
  })()
  return {
    stop: async () => {
      over = true
      await asking
      return { worstMs, alive }
    },
  }
}

const villainName = formatAgent({ type: 'villain', number: 1 })

/** What the villain said, or how it ended; undefined when it was silent. */
const wordOf = (ear: Ear): Promise<string | undefined> =>
  Promise.race([
    ear.until(() => {
      const end = ear.heard.find(({ method }) => method === 'done' || method === 'fail')
      if (end?.method === 'done') return String(end.params['result'])
      const error = end?.params['error'] as { readonly message: string } | undefined
      if (error !== undefined) return `ended: ${error.message}`
      const stray = ear.heard.find(({ method }) => method === 'agent.broken')
      if (stray !== undefined) return `ended: it alone, ${JSON.stringify(stray.params['error']).slice(0, 100)}`
      return ear.ends[0] === undefined ? undefined : `cell ended: ${ear.ends[0].detail}`
    }),
    wait(silentMs).then(() => undefined),
  ])

/** Puts the villain to sleep and gets it back; says what that was. */
const sleepOf = async (cell: Cell): Promise<string> => {
  const sleeper = await cell.sleep!(villainName, { withinMs: silentMs, leastMs: 0 }).catch(
    (error: unknown) => error as Error,
  )
  if (sleeper instanceof Error) return `, and was not put to sleep: ${sleeper.message}`
  const { snapshot } = sleeper
  cell.wake!({ ...seats(1)[0]!, epoch: 2 }, snapshot)
  await cell.ask('ping', { nonce: 'woken' }, silentMs)
  return `, slept as ${Math.round(snapshot.length / 100_000) / 10} MB and was woken`
}

const judged = (
  word: string | undefined,
  seen: { readonly mates: boolean; readonly neighbour: { readonly worstMs: number; readonly alive: boolean } },
): Pick<Outcome, 'verdict' | 'detail'> => {
  const detail = word ?? `silent, killed after ${silentMs / 1_000} s`
  if (word?.startsWith('got ')) return { verdict: 'got', detail: word.slice(4) }
  if (!seen.neighbour.alive || seen.neighbour.worstMs > isolationMs) return { verdict: 'neighbours', detail }
  if (word?.includes('python3') && word.includes('ENOENT')) return { verdict: 'not-tried', detail: 'no python3 here' }
  return { verdict: seen.mates ? 'contained' : 'cell-mates', detail }
}

export const openWorld = async (kinds: (place: Place) => Readonly<Record<KindName, CellKind>>): Promise<World> => {
  const place = makePlace()
  const cells = kinds(place)
  const sitter: ChildProcess = spawn('sleep', ['600'], { env: { SECRET: 'canary-of-the-sitter' }, stdio: 'ignore' })
  const abstractSocket = `hazards-${process.pid}`
  const socket = join(place.data, 'run', 'other.sock')
  const servers = [await listenOn(0), await listenOn(socket), await listenOn(`\0${abstractSocket}`)]
  let count = 0

  const start = async (who: Omit<Who, 'id'>): Promise<{ cell: Cell; ear: Ear }> => {
    const ear = new Ear()
    const cell = await cells[who.kind].start(planFor({ ...who, id: `cel_${(count += 1)}` }, place), {
      ...ear.events,
      // A fleet counts what is over its bound, and keeps none of it: nor does this world, or it would be late itself.
      frame: (method, params, answer) => {
        if (method === 'done' || method === 'fail' || ear.heard.length < mostLines)
          ear.events.frame(method, params, answer)
      },
      line: (stream, text) => {
        if (ear.lines.length < mostLines) ear.events.line(stream, text)
      },
    })
    await ear.ready()
    return { cell, ear }
  }
  const end = async ({ cell, ear }: { readonly cell: Cell; readonly ear: Ear }): Promise<void> => {
    cell.kill('the attempt is over')
    await ear.gone()
  }

  return {
    tryHazard: async (kind, hazard, user) => {
      const ownUser = user !== 'shared'
      const neighbour = await start({ kind, role: 'neighbour', ownUser })
      const villain = await start({ kind, role: 'villain', ownUser })
      const { id, identity } = neighbour.cell
      const neighbourFile = join(place.data, 'cells', id, 'note')
      writeFileSync(neighbourFile, 'canary-of-the-neighbour', { mode: 0o600 })
      const mark = `mark-${process.pid}-${count}`
      const targets: Targets = {
        sitterPid: sitter.pid!,
        neighbourPid: identity!.pid,
        record: join(place.data, 'swarm.db'),
        vault: join(place.data, 'gate', 'gate.db'),
        neighbourFile,
        port: (servers[0]!.address() as AddressInfo).port,
        socket,
        abstractSocket,
        program: place.app,
        mark,
      }
      const watching = watch(neighbour.cell)
      const mates = isModule(kind) ? watch(villain.cell) : undefined
      villain.cell.send([runOf(villainName, `att_${count}`, 'hazard', { hazard, targets })])
      const word = await wordOf(villain.ear)
      const slept = hazard === 'snapshot' ? await sleepOf(villain.cell) : ''
      // What it started needs a moment to do harm, and its neighbour one to be missed.
      await wait(3 * askEveryMs)
      const said = villain.ear.heard.map(({ params }) => params['message'])
      const hasBegun = villain.ear.lines.includes(began) || said.includes(began)
      const matesSeen = await mates?.stop()
      const neighbourSeen = await watching.stop()
      await end(villain)
      const left = withMark(mark)
      for (const pid of left) process.kill(pid, 'SIGKILL')
      await end(neighbour)
      const neighbourMs = Math.round(neighbourSeen.worstMs)
      if (left.length > 0) return { verdict: 'outlives', detail: `${left.length} processes were left`, neighbourMs }
      // An attempt that was never made proves nothing.
      if (!hasBegun) return { verdict: 'not-begun', detail: word ?? 'silent', neighbourMs }
      const outcome = judged(word, { mates: matesSeen?.alive !== false, neighbour: neighbourSeen })
      // They share its loop: how long they waited is told when it is more than others ever should.
      const waitedMs = matesSeen?.alive === true && matesSeen.worstMs > isolationMs ? matesSeen.worstMs : null
      const waited = waitedMs === null ? '' : `; cell-mates waited ${(waitedMs / 1_000).toFixed(1)} s`
      return { ...outcome, detail: `${outcome.detail.slice(0, 80)}${slept}${waited}`, neighbourMs }
    },
    close: async () => {
      sitter.kill('SIGKILL')
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
      rmSync(place.root, { recursive: true, force: true })
    },
  }
}
