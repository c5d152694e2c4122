/** Reads of the SQLite engine: each is one synchronous statement here, and a promise at the port. */
import type { Queries } from '../queries.ts'
import { accessReads } from './access.ts'
import { incidentReads } from './incidents.ts'
import type { Reads } from './answers.ts'
import { modeReads } from './modes.ts'
import { moneyReads } from './read-money.ts'
import { recordReads } from './read-record.ts'
import { deadReads, sharedReads } from './read-work-more.ts'
import { workReads } from './read-work.ts'
import type { Session } from './session.ts'

/** An answer is given when all that it may have seen is durable: a power cut must not take back what was told. */
const promised = (reads: Reads, durable: () => Promise<void>): Queries => {
  const ask =
    (read: (...asked: never[]) => unknown) =>
    async (...asked: never[]): Promise<unknown> => {
      const answer = read(...asked)
      await durable()
      return answer
    }
  return Object.fromEntries(Object.entries(reads).map(([name, read]) => [name, ask(read)])) as unknown as Queries
}

/** `durable` resolves when everything is that can be seen now. */
export const openReads = (session: Session, durable: () => Promise<void>): Queries =>
  promised(
    {
      ...workReads(session),
      ...deadReads(session),
      ...sharedReads(session),
      ...moneyReads(session),
      ...recordReads(session),
      ...accessReads(session),
      ...incidentReads(session),
      ...modeReads(session),
    },
    durable,
  )
