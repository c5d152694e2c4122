/** What a host bears when nobody says otherwise. */
import type { MachineBounds } from '../../model/model.ts'

/** As the configuration has it when it says nothing. */
export const usualBounds: MachineBounds = {
  wakes: { processesPerSecond: 25, sharedPerSecond: 150 },
  pressure: { memoryFree: 0.05, memoryStalled: 0.1, cpuStalled: null, ioStalled: null },
}
