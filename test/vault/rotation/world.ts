/** A gate in front of a provider that issues keys, with a door for agents. */
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Rules } from '../../../src/gateway/gateway.ts'
import type { RotationRule } from '../../../src/model/model.ts'
import type { VaultView } from '../../../src/wire/wire.ts'
import { fetchBy, newPlace, rulesFor, setSecret, startGate, startSitter, type Fetched } from '../../gateway/harness.ts'
import type { KeyProvider } from './provider.ts'

export const rotation = (more: Partial<RotationRule> = {}): RotationRule => ({
  everyMs: 30 * 86_400_000,
  jitter: 0,
  warnBeforeMs: 7 * 86_400_000,
  overlapMs: 0,
  canaryMs: 100,
  gapMs: 0,
  blackouts: [],
  rotator: {
    by: 'http',
    upstream: 'bank',
    mint: { method: 'POST', path: '/keys' },
    body: { label: '{label}' },
    secretAt: 'secret',
    idAt: 'id',
    labelAt: 'label',
    list: { method: 'GET', path: '/keys' },
    test: { method: 'GET', path: '/ping' },
    revoke: { method: 'DELETE', path: '/keys/{id}' },
    whoami: { method: 'GET', path: '/keys/self' },
    sameAnswer: false,
  },
  ...more,
})

export const rulesOf = (
  provider: { readonly host: string },
  rule: RotationRule,
  pool: readonly string[] = [],
): Rules => ({
  ...rulesFor(provider),
  credentials: {
    bank: { name: 'bank', pool, signing: { kind: 'bearer' }, rotation: rule, switchOn: ['401', '403', 'expiry'] },
  },
})

export const untilOpen = async (door: string): Promise<void> => {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(door, () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export type Renewal = VaultView['renewals'][number]

export const openRotationWorld = async (provider: KeyProvider, rules: Rules) => {
  const place = newPlace()
  const running = await startGate(place, rules)
  const sitter = startSitter(place)
  await sitter.linked()
  const door = join(place.directory, 'cell.sock')
  sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents: ['payer/0001'], upstreams: ['bank'] })
  await untilOpen(door)
  return {
    place,
    sitter,
    door,
    ...running,
    running,
    set: (secret: string, name = 'bank') => setSecret(sitter, secret, name),
    call: (path = '/bank/v1/work'): Promise<Fetched> => fetchBy(door, { path }),
    view: async (name = 'bank'): Promise<Renewal> =>
      (await sitter.link.vaultList()).renewals.find((one) => one.name === name)!,
    states: async (): Promise<Record<string, string>> =>
      Object.fromEntries(
        (await sitter.link.vaultList()).credentials.map(({ name, version, state }) => [`${name}@${version}`, state]),
      ),
    close: async () => {
      await sitter.link.stop()
      await running.gate.stop()
      await provider.close()
      place.remove()
    },
  }
}
export type RotationWorld = Awaited<ReturnType<typeof openRotationWorld>>

/** Looks until it is so; the gate tells nobody by itself. */
export const until = async <Value>(look: () => Promise<Value>, isSo: (value: Value) => boolean): Promise<Value> => {
  for (;;) {
    const value = await look()
    if (isSo(value)) return value
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
