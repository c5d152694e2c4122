/**
 * Front door of the drills: harms that are done on purpose to a swarm that is there for that alone, in a folder of its
 * own, so that how long it takes to find and mend them is known before they come by themselves (decision 0025).
 */
import { failure } from '../std/std.ts'
import { drills } from './drills.ts'
import { runId } from './history.ts'
import type { DrillReport, DrillRun } from './report.ts'
import { Scratch, type ScratchPorts } from './scratch.ts'

export { keepRun, keptRuns, runId } from './history.ts'
export { liveDrills, runLive } from './live.ts'
export type { Check, DrillReport, DrillRun } from './report.ts'

export const drillNames: readonly { readonly name: string; readonly what: string }[] = drills

export interface RunAsk extends ScratchPorts {
  /** One of them; all when absent. */
  readonly only: string | undefined
  readonly version: string
  readonly onUp: () => void
  readonly onReport: (report: DrillReport) => void
}

const chosen = (only: string | undefined): typeof drills => {
  const found = only === undefined ? drills : drills.filter(({ name }) => name === only)
  if (found.length > 0) return found
  throw failure('not-found', `there is no drill ${JSON.stringify(only)}`, {
    facts: { wayOut: `one of ${drills.map(({ name }) => name).join(', ')}` },
  })
}

/** One swarm for all of them, one after the other; ended and looked for afterwards, whatever happened. */
export const runDrills = async (ask: RunAsk): Promise<DrillRun> => {
  const wanted = chosen(ask.only)
  const { clock, version } = ask
  const [atMs, fromMs] = [clock.wallMs(), clock.monoMs()]
  const scratch = await Scratch.start(ask)
  const reports: DrillReport[] = []
  let leftovers: readonly string[] = []
  try {
    ask.onUp()
    for (const drill of wanted) {
      const report = await drill.run(scratch)
      reports.push(report)
      ask.onReport(report)
    }
  } finally {
    leftovers = await scratch.stop()
  }
  const held = leftovers.length === 0 && reports.every((one) => one.held)
  return {
    id: runId(atMs),
    atMs,
    version,
    tookMs: Math.round(clock.monoMs() - fromMs),
    held,
    leftovers,
    drills: reports,
  }
}
