/** The settle room over the real record, with a gate whose outcomes the test writes. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { CallOutcome, Grant } from '../../src/gatelink/gatelink.ts'
import type { Channel } from '../../src/model/model.ts'
import { openSettle, type Settle, type SettleAsk } from '../../src/settle/settle.ts'
import { idMaker, seeded } from '../../src/std/std.ts'
import type { Store } from '../../src/store/store.ts'
import { movedClock, type MovedClock } from '../worlds/clock.ts'
import { channel } from './channel.ts'
import { openRecord } from '../store/record.ts'

export interface World {
  readonly clock: MovedClock
  readonly store: Store
  readonly settle: Settle
  readonly grants: Grant[]
  readonly gate: { id: string | null; frozen: boolean }
}

export const world = (
  path = join(mkdtempSync(join(tmpdir(), 'sitter-settle-')), 'swarm.db'),
  of: Channel = channel,
  channels: Readonly<Record<string, Channel>> = { bank: of },
): World => {
  const clock = movedClock()
  const store: Store = openRecord(path, { quickMs: Infinity })
  const random = seeded(3)
  const grants: Grant[] = []
  const gate: World['gate'] = { id: 'gat_1', frozen: false }
  const settle = openSettle({
    channels,
    tasks: {},
    store,
    clock,
    random,
    newId: idMaker(clock, random),
    work: {
      submit: () => {
        throw new Error('no file here')
      },
    },
    gatelink: {
      get gateId() {
        return gate.id
      },
      grant: (list) => {
        grants.push(...list)
        return gate.id !== null
      },
    },
    frozen: () => gate.frozen,
    failed: (error) => {
      throw error
    },
  })
  settle.start()
  return { clock, store, settle, grants, gate }
}

export const ask = (reference: string, more: Partial<SettleAsk> = {}): SettleAsk => ({
  attempt: `att_${reference}`,
  reference,
  payee: 'ann',
  amount: '12.34',
  currency: 'XTS',
  ...more,
})
export const answered = (status: number, body: unknown = {}): CallOutcome => ({
  kind: 'answered',
  status,
  headers: {},
  body: JSON.stringify(body),
  truncated: false,
})

let journal = 0
export const tell = (at: World, grant: Grant, outcome: CallOutcome): Promise<void> =>
  at.settle.call({
    frame: 'call',
    journal: (journal += 1),
    grant: grant.grant,
    subject: grant.subject,
    outcome,
    sentMs: 1,
    tookMs: 1,
    waitedMs: 0,
    cost: '0.01 XTS',
    credential: 'bank@1',
  })
/** Moves time until the room has given its next grant. */
export const nextGrant = async (at: World, count: number): Promise<Grant> => {
  for (let step = 0; step < 200 && at.grants.length < count; step += 1) await at.clock.move(100)
  expect(at.grants).toHaveLength(count)
  return at.grants[count - 1]!
}
export const lost = (at: World): CallOutcome => ({
  kind: 'lost',
  code: 'outcome-unknown',
  message: 'cut',
  closedMs: at.clock.wallMs(),
})
