/**
 * Coming up after a sitter that died again and again: suspects (decide.ts) start last and one at a time, each noted in
 * the record before it is started, so that the next sitter knows whom to put into quarantine.
 */
import { formatAgent } from '../../model/model.ts'
import type { AgentRow } from '../../store/store.ts'
import { move } from '../agents.ts'
import type { Agent, Live } from '../live.ts'
import { waitOwn } from '../loss.ts'
import { planLook } from '../order/starts.ts'
import { formatAgents } from '../range.ts'
import { afterLoss } from '../restart.ts'
import { readObject } from '../saved.ts'
import { notify } from '../wiring.ts'
import { chainOf, justBeforeMs, suspectsOf, touchedAt, type LostLife, type Touch } from './decide.ts'

const noteName = 'lives'
/** Whoever has not come up by then is no reason to wait for any longer. */
const othersWithinMs = 30_000
const lookEveryMs = 250

interface Kept {
  readonly chain: readonly LostLife[]
  /** The suspect that was started by itself last. */
  readonly alone: string | null
}

const readKept = (text: string | undefined): Kept => {
  const value = text === undefined ? undefined : readObject(text)
  const lives = value?.['chain']
  const alone = value?.['alone']
  return {
    chain: (Array.isArray(lives) ? (lives as readonly Partial<LostLife>[]) : []).flatMap(({ epoch, diedMs, touched }) =>
      typeof epoch === 'number' && typeof diedMs === 'number' && Array.isArray(touched)
        ? [{ epoch, diedMs, touched: touched.filter((one): one is string => typeof one === 'string') }]
        : [],
    ),
    alone: typeof alone === 'string' ? alone : null,
  }
}

const keep = (live: Live, kept: Kept): void =>
  live.record.note(noteName, () => (kept.chain.length === 0 && kept.alone === null ? null : JSON.stringify(kept)))

/** A row says `starting` or `idle` since its agent was last started, or became ready. */
const touchesOf = (
  rows: readonly AgentRow[],
  { given }: NonNullable<Live['options']['lastLife']>,
): readonly Touch[] => [
  ...rows
    .filter(({ state }) => state === 'starting' || state === 'idle' || state === 'suspect')
    .map((row) => ({ agent: formatAgent(row), atMs: row.sinceMs })),
  ...given.map(({ agent, startedMs }) => ({ agent, atMs: startedMs })),
]

/** The one: the sitter died with it alone, or once more on its probe. */
const convict = (live: Live, agent: Agent, lives: number): void => {
  const { clock, random } = live.options
  const policy = { ...agent.settings.restart, type: 'permanent', firstAtOnce: false } as const
  const life = { readyMs: null, progressed: false }
  // As a loss on probation: the next probe comes later each time.
  const decision = afterLoss(
    policy,
    { ...agent.policy, probation: true },
    { nowMs: clock.monoMs(), life, counts: true },
    random,
  )
  const reason = `the sitter died within ${justBeforeMs} ms of its start or its work, again and again`
  agent.policy = decision.state
  move(live, agent, 'start')
  move(live, agent, 'quarantine', reason)
  if (decision.action === 'quarantine')
    waitOwn(live, agent, { set: clock.stamp(), delayMs: decision.delayMs }, decision.delayMs)
  notify(live, 'agent.quarantined', 'error', {
    subject: agent.id,
    message: `${agent.id} is quarantined: ${reason}`,
    facts: { cause: reason, why: 'killed-the-sitter', lives, cells: agent.lastCells },
  })
}

/**
 * Looks at how the last sitter ended, before anybody is started. Agents in quarantine or at rest by a person's order
 * are nobody's suspects: they do not run.
 */
export const judgeLastLife = (live: Live, rows: readonly AgentRow[], notes: ReadonlyMap<string, string>): void => {
  const { lastLife, epoch } = live.options
  const { boot, agents } = live
  const before = readKept(notes.get(noteName))
  if (lastLife === undefined) return
  const { diedMs } = lastLife
  const touched = touchedAt(touchesOf(rows, lastLife), diedMs, agents.size).filter((id) => agents.has(id))
  const life: LostLife = { epoch: epoch - 1, diedMs, touched }
  const chain = chainOf(before.chain, life)
  const again = touched.filter((id) => id === before.alone || agents.get(id)!.policy.probation)
  const guilty = again.flatMap((id) => {
    const agent = agents.get(id)!
    return agent.state === 'stopped' && agent.ordered === null ? [agent] : []
  })
  // One death on a probe is an accident unless it died alone: several on theirs say nothing.
  if (guilty.length === 1) {
    convict(live, guilty[0]!, before.chain.length + 1)
    return keep(live, { chain: [], alone: null })
  }
  const home = (ids: readonly string[]): boolean => new Set(ids.map((id) => agents.get(id)?.home)).size === 1
  const suspects = suspectsOf(chain, agents.size, home)
  keep(live, { chain, alone: null })
  boot.chain = chain
  boot.suspects = new Set(suspects)
  if (suspects.length === 0) return
  const names = formatAgents(suspects.map((id) => agents.get(id)!))
  boot.untilMs = live.options.clock.monoMs() + othersWithinMs
  notify(live, 'boot.suspects', 'warn', {
    subject: suspects.length === 1 ? suspects[0]! : 'fleet',
    message: `${names} start last and one at a time: the sitter died ${chain.length} times just after they had begun`,
    facts: { agents: names, count: suspects.length, lives: chain.length, withinMs: justBeforeMs },
  })
}

const isUp = ({ state }: Agent): boolean => state !== 'starting'

/** Lets the suspects go, one at a time, when all others are up. */
export const tendSuspects = (live: Live): void => {
  const { boot } = live
  if (live.phase !== 'open' || boot.suspects.size === 0) return
  const nowMs = live.options.clock.monoMs()
  const others = [...live.agents.values()].filter(({ id }) => !boot.suspects.has(id) && id !== boot.alone)
  const last = boot.alone === null ? undefined : live.agents.get(boot.alone)
  const settled =
    last === undefined
      ? others.every(isUp) || nowMs >= boot.untilMs
      : nowMs - boot.aloneMs >= othersWithinMs || (isUp(last) && nowMs - (last.readyMs ?? boot.aloneMs) >= justBeforeMs)
  if (settled) {
    const [next] = boot.suspects
    boot.suspects.delete(next!)
    boot.alone = next!
    boot.aloneMs = nowMs
    // Written with its epoch, which is before its start.
    keep(live, { chain: boot.chain, alone: next! })
    const agent = live.agents.get(next!)
    if (agent !== undefined) live.deeds.provide(agent.group)
    planLook(live)
  }
  live.agenda.after(lookEveryMs, () => tendSuspects(live))
}
