/** Reads of the PostgreSQL engine. */
import type { Queries } from '../queries.ts'
import { accessReads } from './access.ts'
import { incidentReads } from './incidents.ts'
import type { ReadPool } from './pool.ts'
import { modeReads } from './modes.ts'
import { moneyReads } from './read-money.ts'
import { recordReads } from './read-record.ts'
import { deadReads, sharedReads } from './read-shared.ts'
import { workReads } from './read-work.ts'

export const openReads = (pool: Pick<ReadPool, 'asking' | 'inSnapshot'>): Queries => ({
  ...workReads(pool.asking),
  ...deadReads(pool.asking),
  ...sharedReads(pool.asking),
  ...moneyReads(pool),
  ...recordReads(pool.asking),
  ...accessReads(pool.asking),
  ...incidentReads(pool.asking),
  ...modeReads(pool.asking),
})
