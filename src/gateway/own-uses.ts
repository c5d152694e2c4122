/**
 * Uses of secrets that are no calls: a token server is shown one, a program that rotates is given one. Each secret is a
 * row of the journal, durable before it is opened, and so an entry of the audit log like the use by a call.
 */
import { asFailure, failure } from '../std/std.ts'
import type { OwnUse, RecordUse } from '../vault/vault.ts'
import type { Room } from './call.ts'
import type { JournalCall } from './ports.ts'

const rowOf = (use: OwnUse, { name, version }: OwnUse['credentials'][number], begunMs: number): JournalCall => ({
  grant: null,
  subject: null,
  agent: null,
  cell: null,
  upstream: use.to,
  method: use.method,
  path: '',
  hash: null,
  credential: name,
  version,
  epoch: 0,
  begunMs,
  waitedMs: 0,
  host: use.host,
  decision: 'allowed',
  reserved: null,
})

/** Rejects with `audit-behind`, `frozen`, or with what the journal throws: then no secret may be opened. */
export const recordUses =
  (room: Pick<Room, 'clock' | 'journal' | 'uses' | 'log' | 'frozen'>): RecordUse =>
  async (use) => {
    const { clock, journal, uses, log } = room
    if (uses.behind())
      throw failure(
        'audit-behind',
        'too many uses of secrets are not in the audit log yet: nothing is used until the sitter has written them',
      )
    if (room.frozen() && !use.whileFrozen) throw failure('frozen', 'the swarm is frozen: sitter thaw')
    const [begunMs, begunMono] = [clock.wallMs(), clock.monoMs()]
    // All in one commit: they are asked for in one turn.
    const numbers = await Promise.all(use.credentials.map((one) => journal.begin(rowOf(use, one, begunMs))))
    const begun = numbers.filter((number) => typeof number === 'number')
    for (const _ of begun) uses.added()
    return ({ ended, status }) => {
      const times = { sentMs: ended === 'not-sent' ? null : begunMs, tookMs: clock.monoMs() - begunMono }
      for (const number of begun)
        journal.end(number, { ended, status, outcome: null, cost: null, ...times }).catch((error: unknown) => {
          // Without an end it is told as lost by the next gate; that it was a use stands there.
          log('error', 'the end of a use was not written', { code: asFailure(error).code, journal: number })
        })
    }
  }
