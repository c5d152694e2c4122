/**
 * `npm run hazards -- --swarm [short]`: thousands of pooled agents and some sandboxed ones under the real command, and
 * one of them does each hazard in turn. Everything is seen from outside: the witnesses' own beats, read through /proc;
 * the sitter's pid; what the API says of the guilty one; and what of it all is left on the machine afterwards.
 *
 * `short` (500 + 10, some hazards) is for a machine that has two minutes; the long form is run by hand.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { processes, programOf } from '../../crash/machine.ts'
import type { Targets } from '../../villains/hazards.ts'
import { list } from '../list.ts'
import { hazards } from '../../villains/hazards.ts'
import { beatEveryMs } from './beats.ts'
import { lookBefore, leftOf } from './left.ts'
import { Swarm, type AgentSeen, type EventSeen, type Size } from './place.ts'
import { Witnesses, type CellSeen, type Lateness } from './witnesses.ts'

/** The bound of the promise, at the 99th percentile of the witnesses. */
const isolationMs = 1_000
/** Three beats of silence, its end, its stack, and a cell that starts on a busy machine. */
const roundMs = 30_000
/** Where nothing points at it, five deaths until it is alone and quarantined; some rounds may miss it. */
const mostRounds = 12
/** A word is the end of it, unless what was done shows only later. */
const afterWordMs = 5_000
const waitMs = 1_000
/** What the promise gives orphans. */
const leftWithinMs = 5_000
const long: Size = { types: 10, perType: 500, perCell: 100, boxes: 50 }
const short: Size = { types: 2, perType: 200, perCell: 50, boxes: 8 }

/** What ends an agent or its cell, where it is not refused: the guilty one must end in quarantine. */
const anywhere = ['loop', 'microtasks', 'heap', 'buffers', 'native-long', 'print-flood', 'globals']
const astray = ['rejection', 'throw-in-timer']
const fatal: Readonly<Record<'pool' | 'sandbox', ReadonlySet<string>>> = {
  pool: new Set([...anywhere, ...astray]),
  sandbox: new Set([...anywhere, ...astray, 'abort', 'segfault', 'exit']),
}
const shortList = ['loop', 'buffers', 'abort', 'fork-bomb', 'disk-fill', 'record-sqlite', 'neighbour-kill', 'daemon']

interface Row {
  readonly kind: 'pool' | 'sandbox'
  readonly title: string
  readonly guilty: string
  readonly named: string
  readonly end: string
  readonly lateness: Lateness
  readonly cellMatesLost: number
  readonly sitterPid: number | undefined
  readonly faults: readonly string[]
}

const cut = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '/').slice(0, 70)

const targetsOf = (swarm: Swarm, cells: readonly CellSeen[], own: CellSeen, mark: string): Targets => {
  const { data } = swarm.place
  const neighbour = cells.find(({ id, agentType }) => id !== own.id && agentType === own.agentType) ?? cells[0]!
  const directory = join(data, 'cells', neighbour.id)
  return {
    sitterPid: programOf('sitter', data)!.pid,
    neighbourPid: neighbour.pid,
    record: join(data, 'swarm.db'),
    vault: join(data, 'gate', 'gate.db'),
    neighbourFile: join(directory, readdirSync(directory)[0] ?? 'sitter.sock'),
    port: swarm.port,
    socket: join(data, 'run', 's', 'gate.sock'),
    abstractSocket: `underfire-${process.pid}`,
    program: dirname(swarm.place.config),
    mark,
  }
}

/** How the sitter knew: each way that it said so, once. */
const namedBy = (events: readonly EventSeen[], guilty: string): string => {
  const ways = events.flatMap(({ kind, subject, facts }) => {
    const witness = facts['witness'] as { readonly source: string; readonly kind: string; agent: string | null } | null
    if (kind === 'cell.lost' && (facts['blamed'] as readonly string[]).includes(guilty)) {
      if (witness?.agent === guilty) return [`${witness.kind}, by ${witness.source}`]
      return [facts['count'] === 1 ? 'alone in its cell' : 'the only one at work']
    }
    return kind === 'agent.lost' && subject === guilty ? ['its own fault, by its host'] : []
  })
  return [...new Set(ways)].join('; ')
}

/** Others that were charged for what one did. */
const innocentCharged = (events: readonly EventSeen[], guilty: string): readonly string[] =>
  events.flatMap(({ kind, subject, facts, message }) => {
    if (kind === 'cell.lost')
      return (facts['blamed'] as readonly string[]).filter((one) => one !== guilty).map((one) => `${one} was blamed`)
    return kind === 'agent.quarantined' && subject !== guilty ? [`quarantined: ${message}`] : []
  })

/** Where a process beside the swarm was late as well, the machine was busy with others: that says nothing of cells. */
const isJudged = ({ outsideMs }: Lateness): boolean => outsideMs <= isolationMs / 2

class Fire {
  readonly swarm: Swarm
  readonly witnesses = new Witnesses()
  /** Every process of this swarm that was seen. */
  readonly family = new Set<number>()
  readonly #size: Size
  /** Those that have done theirs: quarantined agents do not beat. */
  readonly #guilty = new Set<string>()
  readonly sitterPid: number

  constructor(swarm: Swarm, size: Size) {
    this.swarm = swarm
    this.#size = size
    this.sitterPid = programOf('sitter', swarm.place.data)!.pid
  }

  /** All agents are where they should be but those that were quarantined. */
  async calm(): Promise<readonly CellSeen[]> {
    await this.swarm.until('a calm swarm', 60_000, async () => {
      const { idle = 0, quarantined = 0, ...others } = await this.swarm.summary()
      return idle + quarantined > 0 && Object.values(others).every((count) => count === 0)
    })
    const cells = await this.swarm.cells()
    for (const pid of familyOf(this.swarm.up.pid)) this.family.add(pid)
    this.witnesses.forget(new Set(cells.map(({ id }) => id)))
    await this.swarm.until('beats of all cells', 20_000, async () => {
      this.witnesses.meet(cells)
      return this.witnesses.hasMet(cells)
    })
    // What a try did to its own cell-mates is theirs to bear (in a pool the boundary is the cell), and over before the next;
    // who cannot write any more shows it by its next beats.
    await wait(2 * beatEveryMs)
    await this.swarm.until('beats of all agents', 60_000, async () => {
      this.witnesses.meet(await this.swarm.cells())
      return this.witnesses.behind(this.#guilty).length === 0
    })
    return cells
  }

  /** One agent of this kind does it, again and again, until it is quarantined or has said what came of it. */
  async tryHazard(kind: Row['kind'], hazard: string, place: { type: string; id: string }): Promise<Row> {
    const { type, id } = place
    const before = await this.calm()
    const seq = await this.swarm.lastSeq()
    const agent = await this.swarm.agent(id)
    const own = before.find((cell) => cell.id === agent.cell?.id)!
    const mark = `mark-${process.pid}-${hazard}`
    this.witnesses.begin()
    const payload = { who: id, hazard, waitMs, targets: targetsOf(this.swarm, before, own, mark) }
    this.#guilty.add(id)
    const { word, last } = await this.#untilOver({ kind, hazard, type, payload, agent })
    const others = before.filter((cell) => cell.id !== own.id)
    const lateness = this.witnesses.end(new Set(others.map((cell) => cell.id)), this.#guilty)
    const events = await this.swarm.events(seq)
    const named = namedBy(events, id)
    // One that was recycled, or whose agents went home, has ended as well.
    const lost = new Set(events.filter((event) => event.kind === 'cell.lost').map(({ subject }) => subject))
    const quarantined = last.state === 'quarantined'
    const faults = [
      ...innocentCharged(events, id),
      ...others.filter(({ id: cell }) => lost.has(cell)).map((cell) => `cell ${cell.id} of others was lost`),
      ...(lateness.p99Ms > isolationMs && isJudged(lateness) ? [`witnesses ${lateness.p99Ms} ms late`] : []),
      ...(fatal[kind].has(hazard) && !quarantined ? [`the guilty one is ${last.state}`] : []),
      ...(quarantined && named === '' ? ['nobody was named'] : []),
      ...(word?.startsWith('got ') ? [word] : []),
      ...(word === undefined && !quarantined ? ['nothing came of it'] : []),
    ]
    return {
      kind,
      title: list.find(([name]) => name === hazard)![1],
      guilty: id,
      named: quarantined ? named : `its own task says: ${cut(word ?? 'nothing')}`,
      end: last.state,
      lateness,
      cellMatesLost: events.filter((event) => event.kind === 'cell.lost').length,
      sitterPid: programOf('sitter', this.swarm.place.data)?.pid,
      faults,
    }
  }

  async #untilOver(ask: {
    readonly kind: Row['kind']
    readonly hazard: string
    readonly type: string
    readonly payload: { readonly who: string }
    readonly agent: AgentSeen
  }): Promise<{ readonly word: string | undefined; readonly last: AgentSeen }> {
    const { kind, hazard, type, payload } = ask
    const { who } = payload
    const count = type === 'box' ? this.#size.boxes : this.#size.perType
    let last = ask.agent
    let word: string | undefined
    for (let round = 0; round < mostRounds && last.state !== 'quarantined'; round += 1) {
      await this.swarm.turn(type, count, payload)
      const { restarts, epoch } = last
      const startedMs = performance.now()
      let saidMs = Infinity
      while (performance.now() - startedMs < roundMs && performance.now() - saidMs < afterWordMs) {
        await wait(100)
        last = await this.swarm.agent(who)
        this.witnesses.meet(await this.swarm.cells())
        if (last.state === 'idle') word ??= await this.swarm.wordOf(who, hazard)
        if (word !== undefined && saidMs === Infinity) saidMs = fatal[kind].has(hazard) ? performance.now() : 0
        // It was lost, and is where its next seat or its quarantine is.
        if (last.epoch > epoch && last.restarts > restarts && last.state === 'idle') break
        if (last.state === 'quarantined') break
      }
      if (word !== undefined && !fatal[kind].has(hazard)) break
    }
    if (last.state === 'busy')
      last = await this.swarm.until(`the end of ${who}'s work`, roundMs, async () => {
        const now = await this.swarm.agent(who)
        return now.state !== 'busy' && now
      })
    return { word, last }
  }
}

const print = (row: Row): void => {
  const { kind, title, guilty, named, end, lateness, faults } = row
  const late = `${lateness.p99Ms}/${lateness.maxMs} (${lateness.outsideMs})`
  process.stdout.write(
    `${kind.padEnd(7)} ${title.padEnd(35)} ${guilty.padEnd(9)} ${end.padEnd(11)} late ${late.padEnd(15)} ` +
      `${String(row.cellMatesLost).padStart(2)} deaths  ${named}${faults.map((fault) => `  FAULT: ${fault}`).join('')}\n`,
  )
}

const table = (rows: readonly Row[]): string =>
  [
    '| hazard | guilty | named by | its end | witnesses late, p99 (worst), ms | beside the swarm | deaths of its cell | sitter |',
    '|---|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ kind, title, guilty, named, end, lateness, cellMatesLost, sitterPid }) =>
        `| ${title} (${kind}) | ${guilty} | ${named} | ${end} | ${lateness.p99Ms} (${lateness.maxMs}) of ` +
        `${lateness.witnesses} | ${lateness.outsideMs}${isJudged(lateness) ? '' : ': not judged'} | ${cellMatesLost} | pid ${sitterPid ?? 'gone'} |`,
    ),
  ].join('\n')

/** All processes of this swarm, as long as they can be seen. */
const familyOf = (up: number): ReadonlySet<number> => {
  const all = processes()
  const family = new Set([up])
  for (let size = 0; size !== family.size;) {
    size = family.size
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid)
  }
  return family
}

const startOutside = (directory: string): { readonly file: Promise<string>; end(): void } => {
  const file = join(directory, 'outside')
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'outside.ts'), file], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  return {
    file: (async () => {
      while (!existsSync(file)) await wait(20)
      return file
    })(),
    end: () => void child.stdin.end(),
  }
}

const numberOf = (index: number, { types, perCell, perType }: Size): { type: string; id: string } => {
  const type = `p${index % types}`
  const cell = Math.floor(index / types) % Math.floor(perType / perCell)
  const number = cell * perCell + 1 + ((index * 37) % perCell)
  return { type, id: `${type}/${String(number).padStart(4, '0')}` }
}

export const underFire = async (words: readonly string[]): Promise<number> => {
  const isShort = words.includes('short')
  const size = isShort ? short : long
  const only = words.filter((word) => list.some(([hazard]) => hazard === word))
  const chosen =
    only.length > 0 ? only : isShort ? shortList : list.map(([hazard]) => hazard).filter((hazard) => hazard in hazards)
  const before = lookBefore()
  const load = (): string => `load ${loadavg()[0]!.toFixed(1)}`
  const swarm = await Swarm.start(size)
  const control = startOutside(dirname(swarm.place.config))
  // Who is told to end takes the swarm along.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(name, () => {
      process.kill(swarm.up.pid, 'SIGTERM')
      void swarm.up.ended.then(() => process.exit(130))
    })
  const rows: Row[] = []
  const faults: string[] = []
  let family: ReadonlySet<number> = new Set()
  const startedMs = performance.now()
  try {
    const agents = size.types * size.perType + size.boxes
    await swarm.until('all agents', 180_000, async () => (await swarm.summary())['idle'] === agents)
    process.stdout.write(`${agents} agents are idle after ${Math.round(performance.now() - startedMs)} ms, ${load()}\n`)
    const fire = new Fire(swarm, size)
    family = fire.family
    fire.witnesses.meetOutside(await control.file)
    const cells = await fire.calm()
    fire.witnesses.begin()
    await wait(10_000)
    const quiet = fire.witnesses.end(new Set(cells.map(({ id }) => id)), new Set())
    process.stdout.write(
      `quiet for 10 s: ${quiet.witnesses} witnesses late ${quiet.p99Ms}/${quiet.maxMs} (${quiet.outsideMs}) ms, ${load()}\n`,
    )
    let index = 0
    for (const hazard of chosen) {
      for (const kind of ['pool', 'sandbox'] as const) {
        const place =
          kind === 'pool'
            ? numberOf(index, size)
            : { type: 'box', id: `box/${String(1 + (index % size.boxes)).padStart(4, '0')}` }
        const row = await fire.tryHazard(kind, hazard, place)
        rows.push(row)
        print(row)
      }
      index += 1
    }
    if (rows.some(({ sitterPid }) => sitterPid !== fire.sitterPid)) faults.push('the sitter has another pid')
  } finally {
    process.kill(swarm.up.pid, 'SIGTERM')
    const code = await swarm.up.ended
    if (code !== 0) faults.push(`sitter up ended with ${code}`)
    control.end()
  }
  // The machine's first process buries orphans when it comes to it.
  let left = leftOf(swarm.place.data, before, family)
  for (const end = performance.now() + leftWithinMs; left.length > 0 && performance.now() < end; await wait(100))
    left = leftOf(swarm.place.data, before, family)
  rmSync(dirname(swarm.place.config), { recursive: true, force: true })
  const all = [...faults, ...rows.flatMap((row) => row.faults.map((fault) => `${row.title} (${row.kind}): ${fault}`))]
  const seconds = Math.round((performance.now() - startedMs) / 1_000)
  const uptime = readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')
  process.stdout.write(`\n${table(rows)}\n\n${rows.length} tried in ${seconds} s, load ${uptime}\n`)
  process.stdout.write(left.length === 0 ? 'left over: nothing\n' : `left over:\n${left.join('\n')}\n`)
  for (const fault of all) process.stdout.write(`FAULT ${fault}\n`)
  const judged = rows.filter(({ lateness }) => isJudged(lateness)).length
  if (judged < rows.length)
    process.stdout.write(`lateness of ${rows.length - judged} not judged: the machine itself was late\n`)
  return all.length === 0 && left.length === 0 && judged * 2 > rows.length ? 0 : 1
}
