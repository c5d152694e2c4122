/**
 * Coming up after a sitter that died again and again: suspects (decide.ts) start last and one at a time, each noted in
 * the record before it is started, so that the next sitter knows with whom alone this one died.
 */
import { formatAgent } from '../../model/model.ts'
import type { AgentRow } from '../../store/store.ts'
import type { Agent, Live } from '../live.ts'
import { planLook } from '../order/starts.ts'
import { formatAgents } from '../range.ts'
import { readObject } from '../saved.ts'
import { notify } from '../wiring.ts'
import {
  aloneAfterMs,
  chainOf,
  handsAt,
  justBeforeMs,
  suspectsOf,
  touchedAt,
  type LostLife,
  type Touch,
} from './decide.ts'

const noteName = 'lives'
/** Whoever has not come up by then is no reason to wait for any longer. */
const othersWithinMs = 30_000
const lookEveryMs = 250

interface Kept {
  readonly chain: readonly LostLife[]
  /** The suspect that was started by itself last. */
  readonly alone: string | null
  /** Deaths in a row just after it had been started by itself. */
  readonly solo: number
}

const textsIn = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []

const readKept = (text: string | undefined): Kept => {
  const value = text === undefined ? undefined : readObject(text)
  const lives = value?.['chain']
  const alone = value?.['alone']
  const solo = value?.['solo']
  return {
    chain: (Array.isArray(lives) ? (lives as readonly Partial<LostLife>[]) : []).flatMap((life) => {
      const { epoch, diedMs, touched, hands } = life
      return typeof epoch === 'number' && typeof diedMs === 'number' && Array.isArray(touched)
        ? [{ epoch, diedMs, touched: textsIn(touched), hands: textsIn(hands) }]
        : []
    }),
    alone: typeof alone === 'string' ? alone : null,
    solo: typeof solo === 'number' ? solo : 0,
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
  const hands = handsAt(lastLife.given, diedMs).filter((hand) => agents.has(hand.slice(0, hand.indexOf(' '))))
  const life: LostLife = { epoch: epoch - 1, diedMs, touched, hands }
  const chain = chainOf(before.chain, life)
  const solo = before.alone !== null && touched.includes(before.alone) ? before.solo + 1 : 0
  const home = (ids: readonly string[]): boolean => new Set(ids.map((id) => agents.get(id)?.home)).size === 1
  const suspects = suspectsOf(chain, agents.size, home)
  keep(live, { chain, alone: null, solo })
  boot.chain = chain
  boot.solo = solo
  boot.suspects = new Set(suspects)
  if (suspects.length === 0) return
  const names = formatAgents(suspects.map((id) => agents.get(id)!))
  boot.named = { agents: names, count: suspects.length }
  boot.untilMs = live.options.clock.monoMs() + othersWithinMs
  const waitMs = aloneAfterMs(solo)
  const later = waitMs === 0 ? '' : `, when all others have worked for ${waitMs / 1_000} s`
  const wayOut = suspects.length === 1 ? `; \`sitter quarantine ${suspects[0]}\` keeps it out` : ''
  notify(live, 'boot.suspects', solo < 2 ? 'warn' : 'error', {
    subject: suspects.length === 1 ? suspects[0]! : 'fleet',
    message:
      `${names} start last and one at a time${later}: the sitter died ${chain.length} times just after they had begun` +
      wayOut,
    facts: { agents: names, count: suspects.length, lives: chain.length, alone: solo, waitMs, withinMs: justBeforeMs },
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
  if (boot.othersMs === Infinity && (others.every(isUp) || nowMs >= boot.untilMs)) boot.othersMs = nowMs
  const settled =
    last === undefined
      ? nowMs - boot.othersMs >= aloneAfterMs(boot.solo)
      : nowMs - boot.aloneMs >= othersWithinMs || (isUp(last) && nowMs - (last.readyMs ?? boot.aloneMs) >= justBeforeMs)
  if (settled) {
    const [next] = boot.suspects
    boot.suspects.delete(next!)
    boot.alone = next!
    boot.aloneMs = nowMs
    // Written with its epoch, which is before its start.
    keep(live, { chain: boot.chain, alone: next!, solo: boot.solo })
    const agent = live.agents.get(next!)
    if (agent !== undefined) live.deeds.provide(agent.group)
    planLook(live)
  }
  live.agenda.after(lookEveryMs, () => tendSuspects(live))
}
