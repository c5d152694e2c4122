/** Runs that were made for a swarm, kept beside its record as files: the newest hundred. */
import { join } from 'node:path'
import type { Disk } from '../std/std.ts'
import type { DrillRun } from './report.ts'

const mostKept = 100
const folderOf = (dataDirectory: string): string => join(dataDirectory, 'drills')
const isRun = (name: string): boolean => /^drill_[0-9A-Za-z-]+\.json$/.test(name)

/** The name of a run that began then. */
export const runId = (atMs: number): string => `drill_${new Date(atMs).toISOString().replaceAll(/[:.]/g, '-')}`

export const keepRun = async (disk: Disk, dataDirectory: string, run: DrillRun): Promise<void> => {
  const folder = folderOf(dataDirectory)
  await disk.makeDirectory(folder, 0o700)
  await disk.writeWhole(join(folder, `${run.id}.json`), `${JSON.stringify(run, null, 2)}\n`, 0o600)
  const kept = (await disk.list(folder)).filter(isRun).toSorted()
  for (const name of kept.slice(0, Math.max(0, kept.length - mostKept))) await disk.remove(join(folder, name))
}

/** Newest first. A file that is none of ours is left out. */
export const keptRuns = async (disk: Disk, dataDirectory: string): Promise<readonly DrillRun[]> => {
  const folder = folderOf(dataDirectory)
  const runs: DrillRun[] = []
  for (const name of (await disk.list(folder)).filter(isRun).toSorted().toReversed()) {
    try {
      runs.push(JSON.parse(await disk.readText(join(folder, name))) as DrillRun)
    } catch {
      // Torn or foreign: it says nothing.
    }
  }
  return runs
}
