/**
 * `vault`: a secret is read hidden, from stdin or from a file, sealed to the gate's key here, and never printed.
 */
import { resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import type { ConfigAnswer, VaultStatusRow, VaultView } from '../api.ts'
import { onlyDry, required } from './asking.ts'
import { renewalText } from './renewal.ts'
import { age, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const longestSecret = 65_536
const longestImport = 1_048_576

interface CredentialAnswer {
  readonly name: string
  readonly version: number
  readonly fingerprint: string
}

const readSecret = async ({ world }: Invocation, name: string): Promise<string> => {
  if (!world.stdin.isTerminal) return (await world.stdin.readAll(longestSecret)).replace(/\r?\n$/, '')
  world.stderr.write(`value of ${plain(name)} (not shown): `)
  const value = await world.stdin.readLine({ hidden: true })
  world.stderr.write('\n')
  return value
}

export const vaultSet: Deed = async (invocation) => {
  const name = required(invocation, 0)
  const api = await invocation.api()
  // The key comes first: nobody is asked for a secret that could not be sealed.
  const { sealingKey } = await api.get<VaultView>('/api/v1/credentials')
  const value = await readSecret(invocation, name)
  if (value === '') throw failure('usage', 'the value is empty')
  const { sealTo } = await import('../../gatelink/gatelink.ts')
  const sealed = sealTo(sealingKey, value)
  if (onlyDry(invocation, `set ${plain(name)}`, { name })) return 0
  const answer = await api.post<unknown>('/api/v1/credentials', { name, sealed })
  invocation.printer.show(answer, () => [`${plain(name)} is set`])
  return 0
}

interface Secret {
  readonly name: string
  readonly value: string
}

/** `NAME=value` lines, as a `.env` has them; what is wrong is named by its line, never by its text. */
const readSecrets = (text: string): Secret[] => {
  const secrets: Secret[] = []
  const faults: string[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, name, value] = /^([a-zA-Z0-9][a-zA-Z0-9._-]{0,62})=(.+)$/s.exec(line) ?? []
    if (name === undefined || value === undefined) faults.push(`line ${index + 1}: no NAME=value`)
    else if (secrets.some((one) => one.name === name)) faults.push(`line ${index + 1}: a name stands twice`)
    else secrets.push({ name, value })
  }
  if (faults.length === 0 && secrets.length > 0) return secrets
  throw failure('usage', faults.length === 0 ? 'there is no secret in it' : 'nothing was set: lines are wrong', {
    facts: {
      faults: JSON.stringify(faults),
      wayOut: 'write a NAME=value a line; lines that begin with # are left out',
    },
  })
}

/** All lines are checked before the first is set; setting the same value again only makes another version of it. */
export const vaultImport: Deed = async (invocation) => {
  const { printer, world } = invocation
  const given = required(invocation, 0)
  const text =
    given === '-'
      ? await world.stdin.readAll(longestImport)
      : await world.disk.readTextIfThere(resolve(world.directory, given))
  if (text === undefined)
    throw failure('not-found', `there is no file ${resolve(world.directory, given)}`, {
      facts: { wayOut: 'check the path, or give - for stdin' },
    })
  const secrets = readSecrets(text)
  const names = secrets.map(({ name }) => name)
  if (onlyDry(invocation, `set ${names.join(', ')}`, { names })) return 0
  const api = await invocation.api()
  const { sealingKey } = await api.get<VaultView>('/api/v1/credentials')
  const { sealTo } = await import('../../gatelink/gatelink.ts')
  const set: CredentialAnswer[] = []
  for (const { name, value } of secrets)
    set.push(await api.post<CredentialAnswer>('/api/v1/credentials', { name, sealed: sealTo(sealingKey, value) }))
  printer.show({ set }, () => set.map(({ name, version, fingerprint }) => `${plain(name)}@${version}  ${fingerprint}`))
  return 0
}

type CredentialState = VaultStatusRow['state']

const stateOf = (vault: VaultView, names: readonly string[]): CredentialState => {
  const set = names.filter((name) => vault.credentials.some((one) => one.name === name && one.state === 'active'))
  return set.length === names.length ? 'set' : set.length === 0 ? 'missing' : 'partly set'
}

/** What the configuration needs beside what the gate holds: exit 4 when a credential has no secret at all. */
export const vaultStatus: Deed = async ({ api, printer, world }) => {
  const nowMs = world.clock.wallMs()
  const door = await api()
  const [vault, { raw }] = await Promise.all([
    door.get<VaultView>('/api/v1/credentials'),
    door.get<ConfigAnswer>('/api/v1/config/current'),
  ])
  const wanted = (raw as { credentials?: Record<string, { pool?: readonly string[] }> }).credentials ?? {}
  const rows = Object.entries(wanted).map(([name, { pool = [name] }]): VaultStatusRow => {
    const held = vault.credentials.filter((one) => pool.includes(one.name))
    const renewals = vault.renewals.filter((one) => pool.includes(one.name))
    return {
      name,
      pool,
      state: stateOf(vault, pool),
      versions: held.map((one) => `${one.name}@${one.version}`),
      renewals: renewals.map((one) => ({ name: one.name, renewal: renewalText(one, nowMs) })),
      waits: renewals.flatMap(({ concern }) => (concern === null ? [] : [concern.what])),
    }
  })
  if (rows.length === 0 && !printer.json) printer.note('the configuration has no credentials')
  else
    printer.list(rows, (row) => row.name, [
      { head: 'CREDENTIAL', value: (row) => row.name },
      { head: 'STATE', value: (row) => row.state },
      { head: 'POOL', value: (row) => row.pool.join(', ') },
      { head: 'RENEWAL', value: (row) => row.renewals.map(({ renewal }) => renewal).join('; ') },
      { head: 'HELD', value: (row) => (row.versions.length === 0 ? 'none' : row.versions.join(', ')) },
    ])
  const missing = rows.filter((row) => row.state === 'missing')
  if (missing.length > 0) printer.note(`set it with: sitter vault set ${plain(missing[0]!.pool[0]!)}`)
  const waiting = rows.filter(({ waits }) => waits.length > 0)
  for (const { name, waits } of waiting) printer.note(`${plain(name)}: ${plain(waits.join('; '))}`)
  return missing.length > 0 || waiting.length > 0 ? 4 : 0
}

export const vaultList: Deed = async ({ api, printer, world }) => {
  const vault = await (await api()).get<VaultView>('/api/v1/credentials')
  const nowMs = world.clock.wallMs()
  if (printer.json) {
    printer.document(vault)
    return 0
  }
  printer.list(vault.credentials, (one) => `${one.name}@${one.version}`, [
    { head: 'CREDENTIAL', value: (one) => `${one.name}@${one.version}` },
    { head: 'STATE', value: (one) => one.state },
    { head: 'FINGERPRINT', value: (one) => one.fingerprint },
    { head: 'SET', value: (one) => age(nowMs, one.setMs), align: 'right' },
    { head: 'USED', value: (one) => (one.usedMs === null ? 'never' : age(nowMs, one.usedMs)), align: 'right' },
  ])
  return 0
}
