/** `status` and `down`: the swarm as a whole. */
import { sleep } from '../../std/std.ts'
import type { SwarmView } from '../api.ts'
import { onlyDry } from './asking.ts'
import { exitOf, judgeView, type Judgement } from './judgement.ts'
import { amountsText, ledgerLines } from './money.ts'
import type { Printer } from './printer.ts'
import { explain } from './refusal.ts'
import { facts } from './story.ts'
import { age, count, counted, duration, plain, tally } from './text.ts'
import type { Deed } from './verb.ts'

const verdictText = (judgement: Judgement, paint: Printer['paint']): string => {
  if (judgement.broken.length > 0) return paint('red', 'a promise is broken')
  if (judgement.unwell.length > 0) return paint('yellow', 'degraded')
  return judgement.waiting > 0 ? paint('yellow', 'well, and something waits for a person') : paint('green', 'well')
}

/** "4 in flight, 0 queued", and why nothing goes out, where nothing does. */
export const gateText = (gate: SwarmView['gate']): string => {
  if ('unknown' in gate) return `unknown: ${plain(gate.unknown)}`
  const frozen = gate.frozen ? ', FROZEN' : ''
  const refuses = gate.journalRefuses ? ', CANNOT WRITE ITS JOURNAL' : ''
  return `${count(gate.inFlight)} in flight, ${count(gate.queued)} queued${frozen}${refuses}`
}

/** Null when nothing is frozen: then there is nothing to say. */
const freezeText = ({ frozen, gate, by }: SwarmView['freeze'], nowMs: number): string | null => {
  if (frozen === false) return null
  if (frozen === 'unknown') return 'unknown: the gate does not answer'
  const whose =
    by === null
      ? 'by the gate’s word, or a file that says no more'
      : `by ${plain(by.actor)}, ${age(nowMs, by.atMs)} ago: ${plain(by.reason)}`
  return `${whose}${gate === true ? '' : '; the gate has not confirmed it'} (sitter thaw ends it)`
}

const modeFacts = ({ modes, nowMs }: SwarmView): (readonly [string, string])[] => [
  ...modes.items.map(({ target, mode, actor, reason, sinceMs }) => {
    const whose = `by ${plain(actor)}, ${age(nowMs, sinceMs)} ago: ${plain(reason)}`
    return [`mode ${plain(target)}`, `${mode} ${whose}`] as const
  }),
  ...(modes.count > modes.items.length
    ? [['modes', `${count(modes.count - modes.items.length)} more: sitter mode`] as const]
    : []),
]

/** How much of the fleet's figures was observed: "4,812 of 5,000 reporting, oldest 41.0 s ago". */
export const coverageText = ({ reporting, of, oldestMs, asleep }: SwarmView['fleet']['coverage']): string => {
  const oldest = oldestMs === null ? '' : `, oldest ${duration(oldestMs)} ago`
  return `${count(reporting)} of ${count(of)} reporting${oldest}${asleep ? `; ${count(asleep)} asleep` : ''}`
}

/** Null when nothing is short: then there is nothing to say. */
const hostText = ({ short, startsWaiting }: SwarmView['fleet']['admission'], nowMs: number): string | null =>
  short === null
    ? null
    : `short for ${age(nowMs, short.sinceMs)}: ${plain(short.why)}; ${counted(startsWaiting, 'start')} wait for it`

/** "1 stands by", "1 of 2 stand by"; nothing when none should. */
export const standbyText = ({ ready, wanted }: SwarmView['fleet']['standbys']): string => {
  if (wanted === 0) return ''
  const how = ready === wanted ? count(ready) : `${count(ready)} of ${count(wanted)}`
  return ` (${how} ${wanted === 1 ? 'stands' : 'stand'} by)`
}

export const statusLines = (view: SwarmView, paint: Printer['paint']): string[] => {
  const judgement = judgeView(view)
  return [
    `${paint('bold', plain(view.name))}: ${verdictText(judgement, paint)}`,
    ...[...judgement.broken, ...judgement.unwell].map((sentence) => `  - ${sentence}`),
    '',
    ...facts([
      [
        'sitter',
        `pid ${view.pid}, up ${age(view.nowMs, view.startedMs)}, epoch ${view.epoch}, ` +
          `version ${plain(view.version)}, Node ${plain(view.nodeVersion)}`,
      ],
      ['gate', 'unknown' in view.gate ? gateText(view.gate) : `pid ${view.gate.pid}, ${gateText(view.gate)}`],
      ['frozen', freezeText(view.freeze, view.nowMs)],
      ...modeFacts(view),
      ['agents', `${count(view.fleet.agents)}: ${tally(view.fleet.byState)}`],
      ...(view.fleet.held ?? []).map((held): [string, string] => [
        'held',
        `${counted(held.waiting, 'agent')} wait: many died of one cause, one is tried first: ` +
          held.cause.slice(0, 200),
      ]),
      ...(view.fleet.rolling ?? []).map(({ type, done, total, underWay, held }): [string, string] => [
        'rolling',
        `${plain(type)}: ${count(done)} of ${count(total)} have begun anew, ${count(underWay)} under way` +
          (held === null ? '' : `; HELD: ${plain(held)}`),
      ]),
      ...(view.fleet.waiting ?? []).map(({ type, why }): [string, string] => ['start', `${plain(type)} ${plain(why)}`]),
      ...(view.fleet.groupsHeld ?? []).map(({ group, agents }): [string, string] => [
        'group',
        `${plain(group)} is quarantined with ${plain(agents)}: sitter release one of them`,
      ]),
      ['apart', view.fleet.apart ? `${counted(view.fleet.apart, 'agent')} in cells of their own for a while` : null],
      ['evidence', coverageText(view.fleet.coverage)],
      ['host', hostText(view.fleet.admission, view.nowMs)],
      [
        'cells',
        `${count(view.fleet.cells)}${standbyText(view.fleet.standbys)}, ${count(view.fleet.cellsLost)} lost, ` +
          `${counted(view.fleet.restarts, 'agent restart')}`,
      ],
      ...Object.entries(view.work.byType).map(([type, states]) => [`tasks ${plain(type)}`, tally(states)] as const),
      ...Object.entries(view.settle.byState).map(
        ([state, { count: number, amounts }]) =>
          [`money ${plain(state)}`, `${count(number)}, ${amountsText(amounts)}`] as const,
      ),
      ['ledger', ledgerLines(view.ledger)[0]!],
      ['audit', 'not looked at here: sitter audit verify'],
      [
        'waiting',
        view.person === 0 ? 'nothing for a person' : `${counted(view.person, 'thing')} for a person: sitter inbox`,
      ],
      [
        'not built',
        view.notBuilt.length === 0 ? null : `${counted(view.notBuilt.length, 'part')}: sitter status --json names them`,
      ],
    ]),
  ]
}

export const status: Deed = async ({ api, printer }) => {
  const view = await (await api()).get<SwarmView>('/api/v1/swarm')
  printer.show(view, () => statusLines(view, printer.paint))
  return exitOf(judgeView(view))
}

const usualWithinMs = 30_000
const lookEveryMs = 200
/** Time over `within` for cells that must be killed and for the last commit. */
const graceMs = 15_000

export const down: Deed = async (invocation) => {
  const { options, printer, world, interrupted } = invocation
  const withinMs = options.duration('within') ?? usualWithinMs
  const api = await invocation.api()
  const view = await api.get<SwarmView>('/api/v1/swarm')
  const within = `${Math.ceil(withinMs / 1_000)}s`
  if (
    onlyDry(invocation, `stop ${plain(view.name)} with ${counted(view.fleet.agents, 'agent')}`, {
      verb: 'down',
      within,
    })
  )
    return 0
  await api.post<unknown>('/api/v1/swarm/down', { within })
  printer.note(`${plain(view.name)} stops: no new work, running attempts have ${duration(withinMs)} …`)
  const begunMs = world.clock.monoMs()
  while (world.clock.monoMs() - begunMs < withinMs + graceMs) {
    try {
      await api.get<SwarmView>('/api/v1/swarm', {}, 5_000)
    } catch (error) {
      // Its address is silent and its process is gone: both, since a sitter closes its door before it ends.
      if (explain(error).code === 'no-sitter' && world.proc.startTime(view.pid) === undefined) {
        printer.show({ stopped: true, name: view.name }, () => [`${plain(view.name)} is stopped`])
        return 0
      }
    }
    await sleep(world.clock, lookEveryMs, interrupted)
  }
  printer.show({ stopped: false, name: view.name }, () => [
    `${plain(view.name)} has not stopped within ${duration(withinMs + graceMs)}: look at it with \`sitter status\``,
  ])
  return 124
}
