/**
 * The end of the fleet, in order: no new work, time for running attempts, then the cells. What is still running then is
 * given back without cost. Agents that wait in backoff or quarantine keep what was saved, so that the next sitter goes
 * on with it.
 */
import { sleep } from '../std/std.ts'
import { move, refile } from './agents.ts'
import { endStandbys } from './standby.ts'
import type { Live } from './live.ts'
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
 * Resolves when every attempt that still runs waits for something outside its agent (a payment in the gate's queue):
 * waiting longer would finish nothing here, and what it waits for goes on without it.
 */
const onlyWaiting = async (live: Live): Promise<void> => {
  const works = (): boolean =>
    [...live.agents.values()].some(
      ({ attempt }) => attempt !== null && (attempt.answering > 0 || !live.options.hooks.waitsOutside(attempt.id)),
    )
  while (works()) await sleep(live.options.clock, lookEveryMs)
}

const beginStop = (live: Live): void => {
  live.phase = 'stopping'
  live.agenda.stop()
  live.stillness.stop()
  for (const agent of live.agents.values()) {
    refile(live, agent)
    if (agent.cell?.phase === 'ready' && agent.state !== 'stopped') move(live, agent, 'stop')
  }
}

/** Resolves when every cell is gone and the record holds it. */
export const stopFleet = async (live: Live, withinMs: number): Promise<void> => {
  if (live.phase === 'open') beginStop(live)
  const cells = [...live.cells.values()]
  const drains = cells
    .filter((cell) => cell.phase === 'ready')
    .map((cell) => cell.cell!.ask('drain', { withinMs }, withinMs + afterwardsMs))
  await withinTime(live, Promise.race([Promise.allSettled(drains), onlyWaiting(live)]), withinMs + afterwardsMs)
  // An answer under way is waited for: its commit decides whether the attempt is done or given back.
  const cellsOver = [...live.cells.values()].map((cell) => cell.ended.promise)
  for (const cell of live.cells.values()) live.deeds.kill(cell, 'the sitter stops')
  const over = Promise.all([...cellsOver, endStandbys(live, 'the sitter stops')]).then(() => Promise.all(live.clearing))
  await withinTime(live, over, goneWithinMs)
  for (const cell of live.cells.values()) {
    notify(live, 'cell.outlived', 'error', {
      subject: cell.id,
      message: `cell ${cell.id} was killed and is not gone after ${goneWithinMs} ms; the next sitter sweeps it`,
      facts: { pid: cell.cell?.identity?.pid ?? null },
    })
  }
  await live.record.flush()
}
