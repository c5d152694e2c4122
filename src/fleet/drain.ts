/**
 * The end of the fleet, in order: no new work, time for running attempts, then the cells, those first on which nobody
 * depends. What is still running then is given back without cost. Agents that wait in backoff or quarantine keep what
 * was saved, so that the next sitter goes on with it.
 */
import { sleep } from '../std/std.ts'
import { move, refile } from './agents.ts'
import { nextToEnd } from './order/stops.ts'
import { endStandbys } from './standby.ts'
import type { Live, LiveCell } from './live.ts'
import { notify } from './wiring.ts'

/** Agents' own `stop` may take a second after the last attempt; the answer gets one more. */
const afterwardsMs = 2_000
/** A killed process is gone long before; after this the stop goes on and says so. */
const goneWithinMs = 5_000

const withinTime = (live: Live, work: Promise<unknown>, delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    const cancel = live.options.clock.timer(delayMs, resolve)
    const over = (): void => {
      cancel()
      resolve()
    }
    work.then(over, over)
  })

const lookEveryMs = 250

/**
 * Resolves when every attempt that still runs in these cells waits for something outside its agent (a payment in the
 * gate's queue): waiting longer would finish nothing here, and what it waits for goes on without it.
 */
const onlyWaiting = async (live: Live, cells: readonly LiveCell[]): Promise<void> => {
  const works = (): boolean =>
    cells.some(({ agents }) =>
      [...agents].some(
        ({ attempt }) => attempt !== null && (attempt.answering > 0 || !live.options.hooks.waitsOutside(attempt.id)),
      ),
    )
  while (works()) await sleep(live.options.clock, lookEveryMs)
}

const beginStop = (live: Live): void => {
  live.phase = 'stopping'
  live.agenda.stop()
  live.stillness.stop()
  live.parole.stop()
  for (const agent of live.agents.values()) {
    refile(live, agent)
    if (agent.cell?.phase === 'ready' && agent.state !== 'stopped') move(live, agent, 'stop')
  }
}

/** Time for what these have in hand, until `untilMs` (monotonic); then they are killed. Resolves when they are gone. */
const endCells = async (live: Live, cells: readonly LiveCell[], untilMs: number): Promise<void> => {
  const leftMs = untilMs - live.options.clock.monoMs()
  const withinMs = Math.max(0, leftMs)
  const drains = cells
    .filter((cell) => cell.phase === 'ready')
    .map((cell) => cell.cell!.ask('drain', { withinMs }, withinMs + afterwardsMs))
  const drained = Promise.race([Promise.allSettled(drains), onlyWaiting(live, cells)])
  // Of all cells together, however many ends follow one another.
  await withinTime(live, drained, Math.max(0, leftMs + afterwardsMs))
  // An answer under way is waited for: its commit decides whether the attempt is done or given back.
  const over = cells.map((cell) => cell.ended.promise)
  for (const cell of cells) live.deeds.kill(cell, 'the sitter stops')
  await withinTime(live, Promise.all(over), goneWithinMs)
}

/** Resolves when every cell is gone and the record holds it. */
export const stopFleet = async (live: Live, withinMs: number): Promise<void> => {
  if (live.phase === 'open') beginStop(live)
  const untilMs = live.options.clock.monoMs() + withinMs
  const standbys = endStandbys(live, 'the sitter stops')
  const tried = new Set<LiveCell>()
  for (;;) {
    const left = [...live.cells.values()].filter((cell) => !tried.has(cell))
    if (left.length === 0) break
    const next = nextToEnd(live, left)
    for (const cell of next) tried.add(cell)
    await endCells(live, next, untilMs)
  }
  await withinTime(live, Promise.all([standbys, ...live.clearing]), goneWithinMs)
  for (const cell of live.cells.values()) {
    notify(live, 'cell.outlived', 'error', {
      subject: cell.id,
      message: `cell ${cell.id} was killed and is not gone after ${goneWithinMs} ms; the next sitter sweeps it`,
      facts: { pid: cell.cell?.identity?.pid ?? null },
    })
  }
  await live.record.flush()
}
