/** Resource limits of a process, set by prlimit before the program runs; its children inherit them. */
import { existsSync } from 'node:fs'
import { noCounts, type CellLimits, type LimitDriver } from './port.ts'

const prlimit = ['/usr/bin/prlimit', '/bin/prlimit'].find((path) => existsSync(path))

/**
 * Node does not start with less address space for data than this (Node 26.10): as a bound on memory it is coarse, and
 * per process.
 */
const leastDataBytes = 1_073_741_824

/** Words that limit what comes after them. */
export const resourceWords = ({ files, memoryBytes }: CellLimits): readonly string[] => {
  if (prlimit === undefined) return []
  const bytes = Math.max(leastDataBytes, Math.round(memoryBytes))
  return [prlimit, `--nofile=${files}:${files}`, '--core=0:0', `--data=${bytes}:${bytes}`, '--']
}

/** Where there are no control groups. RLIMIT_NPROC counts a whole user's processes, so it is for sandboxes alone. */
export const resourceLimits = (why: string): LimitDriver => ({
  kind: 'rlimits',
  bounds: { memory: prlimit === undefined ? 'absent' : 'weaker', cpu: 'absent', processes: 'absent' },
  why,
  open: async (_id, limits) => ({
    before: resourceWords(limits),
    within: prlimit === undefined ? [] : [prlimit, `--nproc=${limits.processes}:${limits.processes}`, '--'],
    directory: null,
    counts: async () => noCounts,
    memoryBytes: () => null,
    empty: async () => false,
    remove: async () => {
      /* nothing was made */
    },
  }),
  sweep: async () => [],
  close: async () => {
    /* nothing was made */
  },
})
