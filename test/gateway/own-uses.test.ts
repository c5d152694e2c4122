import { expect, test } from 'vitest'
import { recordUses } from '../../src/gateway/own-uses.ts'
import type { CallJournal, JournalCall, JournalEnd } from '../../src/gateway/ports.ts'
import { realClock } from '../../src/std/real/real.ts'
import { failure } from '../../src/std/std.ts'

const roomWith = (more: { behind?: boolean; frozen?: boolean; broken?: boolean } = {}) => {
  const rows: JournalCall[] = []
  const ends: (readonly [number, JournalEnd])[] = []
  let added = 0
  const journal = {
    begin: async (call: JournalCall) => {
      if (more.broken === true) throw failure('journal-failed', 'the disk is full')
      return rows.push(call)
    },
    end: async (number: number, end: JournalEnd) => void ends.push([number, end]),
  } as unknown as CallJournal
  const uses = { behind: () => more.behind === true, added: () => void (added += 1) }
  const room = { clock: realClock(), journal, uses, log: () => {}, frozen: () => more.frozen === true }
  return { rows, ends, added: () => added, record: recordUses(room as never) }
}
const bank = { name: 'bank', version: 3 }
const token = {
  credentials: [bank, { name: 'client', version: 1 }],
  to: 'token:id.example.com',
  host: 'id.example.com',
  method: 'POST',
  whileFrozen: true,
}
const program = { ...token, to: 'program:rotate.sh', whileFrozen: false }

test('each secret of a use is a row of its own, told to the audit log when it is durable, and has an end', async () => {
  const { rows, ends, added, record } = roomWith()
  const end = await record(token)
  expect(rows.map(({ credential, version, decision }) => ({ credential, version, decision }))).toEqual([
    { credential: 'bank', version: 3, decision: 'allowed' },
    { credential: 'client', version: 1, decision: 'allowed' },
  ])
  expect(rows[0]).toMatchObject({ upstream: 'token:id.example.com', host: 'id.example.com', agent: null, grant: null })
  expect(added()).toBe(2)
  end({ ended: 'answered', status: 200 })
  expect(ends.map(([number, { ended, status }]) => ({ number, ended, status }))).toEqual([
    { number: 1, ended: 'answered', status: 200 },
    { number: 2, ended: 'answered', status: 200 },
  ])
})

test('what cannot be written, or is not in the audit log in time, is refused, and so are programs in a freeze', async () => {
  for (const [more, code] of [
    [{ broken: true }, 'journal-failed'],
    [{ behind: true }, 'audit-behind'],
  ] as const) {
    const { added, record } = roomWith(more)
    await expect(record(token)).rejects.toMatchObject({ code })
    expect(added()).toBe(0)
  }
  const frozen = roomWith({ frozen: true })
  await expect(frozen.record(program)).rejects.toMatchObject({ code: 'frozen' })
  await frozen.record(token)
  expect(frozen.rows.length).toBe(2)
})
