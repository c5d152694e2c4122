import { expect, test } from 'vitest'
import type { GateLink } from '../../src/gatelink/gatelink.ts'
import { credentialConditions, openRenewalNotes } from '../../src/renewing.ts'
import type { Clock } from '../../src/std/std.ts'
import type { Command, Store } from '../../src/store/store.ts'
import type { RenewalView, VaultNote } from '../../src/wire/wire.ts'

const day = 86_400_000

const renewal = (more: Partial<RenewalView> = {}): RenewalView => ({
  name: 'bank',
  credential: 'bank',
  automatic: false,
  phase: 'idle',
  sinceMs: 0,
  dueMs: 30 * day,
  expiresMs: null,
  warnBeforeMs: 7 * day,
  active: 1,
  next: null,
  old: [],
  inUse: {},
  doneMs: null,
  why: null,
  burden: 0,
  grant: null,
  concern: null,
  ending: { endsMs: 30 * day, what: 'is to be replaced by hand', toldDays: [7, 3, 1] },
  ...more,
})

const clockAt = (wallMs: number): { clock: Clock; tick: () => void } => {
  let fire = (): void => {}
  const timer: Clock['timer'] = (_delay, next) => {
    fire = next
    return () => {}
  }
  const clock = { wallMs: () => wallMs, monoMs: () => wallMs, timer, stamp: () => ({ wallMs, monoMs: 0, bootId: 'b' }) }
  return { clock, tick: () => fire() }
}

test('a condition opens at each bound, and all of them hold until the credential is replaced', async () => {
  const link = (one: RenewalView): GateLink =>
    ({ gateId: 'gat_1', vaultList: async () => ({ renewals: [one], fallbacks: [] }) }) as unknown as GateLink
  const keysAt = async (atMs: number, one = renewal()): Promise<readonly string[]> =>
    (await credentialConditions(link(one), clockAt(atMs).clock)).map(({ key, severity }) => `${key} ${severity}`)
  expect(await keysAt(22 * day)).toEqual([])
  expect(await keysAt(23 * day)).toEqual(['credential-ends/bank/7d warning'])
  expect(await keysAt(29.5 * day)).toEqual([
    'credential-ends/bank/7d warning',
    'credential-ends/bank/3d critical',
    'credential-ends/bank/1d critical',
  ])
  const concern = {
    severity: 'critical',
    what: 'quarantined',
    wayOut: 'sitter vault set bank',
    sinceMs: 0,
    wakesMs: 0,
    isDue: false,
  } as const
  expect(await keysAt(0, renewal({ concern }))).toEqual(['credentials/bank critical'])
  // A swarm that is being set up wakes nobody yet.
  expect(await keysAt(0, renewal({ concern: { ...concern, wakesMs: 1 } }))).toEqual([])
  const due = { ...concern, severity: 'warning', isDue: true } as const
  expect(await keysAt(23 * day, renewal({ concern: due }))).toEqual(['credential-ends/bank/7d warning'])
  expect(await credentialConditions({ ...link(renewal()), gateId: null }, clockAt(0).clock)).toEqual([])
})

test('calls that go by another account for two minutes are a warning, until they do not', async () => {
  const way = {
    credential: 'bank',
    account: 'A',
    fallback: 'spare',
    fallbackAccount: 'B',
    why: 'bank-a is compromised',
  }
  const at = async (more: object, nowMs = 300_000) => {
    const vaultList = async () => ({ renewals: [], fallbacks: [{ ...way, by: 'spare', sinceMs: 100_000, ...more }] })
    return credentialConditions({ gateId: 'gat_1', vaultList } as unknown as GateLink, clockAt(nowMs).clock)
  }
  expect(await at({})).toMatchObject([
    { key: 'credential-fallback/bank', severity: 'warning', title: expect.stringContaining('bank-a is compromised') },
  ])
  expect(await at({}, 200_000)).toEqual([])
  expect(await at({ by: 'bank', sinceMs: null, why: null })).toEqual([])
  expect(await at({ sinceMs: null })).toEqual([])
})

test('notes of the gate become events and audit entries, and are let go only after the commit', async () => {
  const notes: VaultNote[] = [1, 2].map((number) => ({
    number,
    wallMs: number,
    kind: 'credential.revoked',
    subject: 'bank',
    message: `version ${number} is revoked`,
  }))
  const asked: number[] = []
  const kept: Command[] = []
  let full = true
  const store = {
    transact: async (commands: readonly Command[]) => {
      if (full) throw new Error('the disk is full')
      kept.push(...commands)
      return commands.map(() => ({ ok: true }))
    },
  } as unknown as Store
  const faults: unknown[] = []
  const { clock, tick } = clockAt(5)
  const vaultNotes = async (after: number): Promise<readonly VaultNote[]> => {
    asked.push(after)
    return notes.filter(({ number }) => number > after)
  }
  const gatelink = { gateId: 'gat_1', vaultNotes } as unknown as GateLink
  openRenewalNotes({ gatelink, store, clock, onFault: (fault) => faults.push(fault) })
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  for (let time = 0; time < 3; time += 1) {
    tick()
    await settled()
    if (time === 0) full = false
  }
  expect(asked).toEqual([0, 0, 2])
  expect(faults).toHaveLength(1)
  expect(kept.map(({ kind }) => kind)).toEqual(['events.add', 'audit.append'])
  expect(JSON.stringify(kept)).toContain('version 2 is revoked')
})
