import { expect, test } from 'vitest'
import { openKeptKeys } from '../../src/gateway/kept-keys.ts'
import type { CredentialRule } from '../../src/gateway/ports.ts'
import type { Clock } from '../../src/std/std.ts'

const day = 86_400_000

test('keys are known from the first call on, or from the day on that accounts are named and thirty days later', () => {
  const meta = new Map<string, string>()
  const calls = new Map([['old', 5]])
  let wallMs = 100 * day
  const open = () =>
    openKeptKeys({
      clock: { wallMs: () => wallMs } as Clock,
      journal: {
        meta: (name) => meta.get(name),
        setMeta: async (values) => {
          for (const [name, value] of Object.entries(values)) meta.set(name, value)
        },
      },
      meter: { figures: (name) => ({ calls: calls.get(name) ?? 0, byStatus: {}, latencyMs: null, waitMs: null }) },
      log: () => {},
    })
  const upstreams = (accounts: Readonly<Record<string, string | null>>) =>
    new Map(
      Object.entries(accounts).map(([name, account]) => [
        name,
        { credential: { name: 'bank', pool: [], scope: { account } } as unknown as CredentialRule },
      ]),
    )
  const kept = open()
  kept.take(upstreams({ old: 'A', fresh: 'A', unnamed: null }))
  expect(kept.forgottenUntilMs('fresh')).toBe(null)
  expect(kept.forgottenUntilMs('old')).toBe(130 * day)
  expect(kept.forgottenUntilMs('unnamed')).toBe(130 * day)
  // Its first call may be under way, and is not counted yet.
  kept.take(upstreams({ old: 'A', fresh: 'A', unnamed: 'A' }))
  expect(kept.forgottenUntilMs('unnamed')).toBe(130 * day)
  wallMs = 129 * day
  calls.set('fresh', 1)
  const next = open()
  next.take(upstreams({ old: 'A', fresh: 'A' }))
  expect(next.forgottenUntilMs('old')).toBe(130 * day)
  expect(next.forgottenUntilMs('fresh')).toBe(null)
  wallMs = 130 * day
  expect(next.forgottenUntilMs('old')).toBe(null)
  next.doubt()
  expect(open().forgottenUntilMs('fresh')).toBe(160 * day)
  // Nobody knows of what went while none was named.
  next.take(upstreams({ old: null, fresh: 'A' }))
  next.take(upstreams({ old: 'A', fresh: 'A' }))
  expect(next.forgottenUntilMs('old')).toBe(160 * day)
})
