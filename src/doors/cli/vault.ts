/**
 * `vault`: a secret is read hidden or from stdin, sealed to the gate's key here, and never printed.
 */
import { failure } from '../../std/std.ts'
import type {
  BackupAnswer,
  ConfigAnswer,
  EventView,
  List,
  RekeyAnswer,
  SecretDescription,
  VaultStatusRow,
  VaultView,
} from '../api.ts'
import { onlyDry, required } from './asking.ts'
import type { Api } from './client.ts'
import { renewalText } from './renewal.ts'
import { eventLine, facts, section } from './story.ts'
import { age, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const longestSecret = 65_536

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

type CredentialState = VaultStatusRow['state']

const stateOf = (vault: VaultView, names: readonly string[]): CredentialState => {
  const set = names.filter((name) => vault.credentials.some((one) => one.name === name && one.state === 'active'))
  return set.length === names.length ? 'set' : set.length === 0 ? 'missing' : 'partly set'
}

/** Calls that go by another account at the moment, and why. */
const away = ({ fallbacks }: VaultView, nowMs: number): readonly string[] =>
  fallbacks
    .filter(({ by, fallback }) => by === fallback)
    .map(({ credential, account, fallback, fallbackAccount, sinceMs, why }) => {
      const since = sinceMs === null ? 'with the next call' : `for ${age(nowMs, sinceMs)}`
      const of = (name: string, title: string | null): string => `${plain(name)} (account ${plain(title ?? 'unnamed')})`
      return (
        `what may go by another account goes by ${of(fallback, fallbackAccount)} instead of ` +
        `${of(credential, account)}, ${since}: ${plain(why ?? '')}`
      )
    })

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
    const way = vault.fallbacks.find((one) => one.credential === name)
    return {
      name,
      pool,
      state: stateOf(vault, pool),
      versions: held.map((one) => `${one.name}@${one.version}`),
      renewals: renewals.map((one) => ({ name: one.name, renewal: renewalText(one, nowMs) })),
      waits: renewals.flatMap(({ concern }) => (concern === null ? [] : [concern.what])),
      fallback: way === undefined ? null : { name: way.fallback, isUsed: way.by === way.fallback, why: way.why },
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
  for (const warning of warnings(vault)) printer.warn(warning)
  if (missing.length > 0) printer.note(`set it with: sitter vault set ${plain(missing[0]!.pool[0]!)}`)
  const waiting = rows.filter(({ waits }) => waits.length > 0)
  for (const { name, waits } of waiting) printer.note(`${plain(name)}: ${plain(waits.join('; '))}`)
  for (const line of away(vault, nowMs)) printer.note(line)
  return missing.length > 0 || waiting.length > 0 || vault.vault.faults.length > 0 ? 4 : 0
}

interface Configured {
  readonly upstreams?: Readonly<Record<string, { readonly credentials?: string | null }>>
  readonly agents?: Readonly<Record<string, { readonly upstreams?: readonly string[] }>>
  readonly credentials?: Readonly<Record<string, ConfiguredCredential>>
}
interface ConfiguredCredential {
  readonly pool?: readonly string[]
  readonly fallback?: string
  readonly oauth?: { readonly clientSecret?: string | null }
  readonly rotate?: { readonly upstream?: string }
}

/** Upstreams that sign with a secret, and agent types that may call them; tokens and rotations that need it. */
const usersOf = (secret: string, { upstreams = {}, agents = {}, credentials = {} }: Configured): string => {
  const names = Object.keys(credentials)
  const stands = names.filter((name) => name === secret || (credentials[name]!.pool ?? []).includes(secret))
  const isUsed = (name: string): boolean => stands.includes(name) || stands.includes(credentials[name]?.fallback ?? '')
  const by = Object.keys(upstreams).filter((name) => isUsed(upstreams[name]!.credentials ?? ''))
  const types = Object.keys(agents).filter((type) => agents[type]!.upstreams?.some((one) => by.includes(one)))
  const calls = by.length === 0 ? [] : [`${by.join(', ')}${types.length === 0 ? '' : ` (${types.join(', ')})`}`]
  const tokens = names.filter((name) => credentials[name]!.oauth?.clientSecret === secret)
  const routes = stands.flatMap((name) => credentials[name]!.rotate?.upstream ?? []).filter((one) => !by.includes(one))
  const told = [
    ...calls,
    ...tokens.map((name) => `the tokens of ${name}`),
    ...[...new Set(routes)].map((one) => `its rotation at ${one}`),
  ]
  return told.length === 0 ? 'nobody' : told.map(plain).join(', ')
}

/** What is wrong with the vault as a whole, for people. */
const warnings = ({ vault }: VaultView): readonly string[] => [
  ...vault.faults.map(
    ({ name, version, fault }) =>
      `${plain(name)}@${version} was ${fault} without the vault's key: it is not used; find out who wrote gate.db, ` +
      `then sitter vault set ${plain(name.split('+')[0]!)}`,
  ),
  ...(vault.outside === 'unknown'
    ? ['an older copy of gate.db would not be noticed: the configuration folder of the user cannot be written']
    : []),
]

export const vaultList: Deed = async ({ api, printer, world }) => {
  const door = await api()
  const vault = await door.get<VaultView>('/api/v1/credentials')
  const nowMs = world.clock.wallMs()
  if (printer.json) {
    printer.document(vault)
    return 0
  }
  const { raw } = await door.get<ConfigAnswer>('/api/v1/config/current')
  printer.list(vault.credentials, (one) => `${one.name}@${one.version}`, [
    { head: 'CREDENTIAL', value: (one) => `${one.name}@${one.version}` },
    { head: 'STATE', value: (one) => one.state },
    { head: 'FINGERPRINT', value: (one) => one.fingerprint },
    { head: 'SET', value: (one) => age(nowMs, one.setMs), align: 'right' },
    { head: 'USED', value: (one) => (one.usedMs === null ? 'never' : age(nowMs, one.usedMs)), align: 'right' },
    { head: 'USED BY', value: (one) => usersOf(one.name, raw as Configured) },
  ])
  for (const warning of warnings(vault)) printer.warn(warning)
  for (const line of away(vault, nowMs)) printer.note(line)
  return 0
}

/** One version of a secret, never its value, with what happened to its name. */
export const describeSecret = async (invocation: Invocation, api: Api, id: string): Promise<number> => {
  const [name = '', version] = id.split('@')
  const [vault, { raw }, { items }] = await Promise.all([
    api.get<VaultView>('/api/v1/credentials'),
    api.get<ConfigAnswer>('/api/v1/config/current'),
    api.get<List<EventView>>('/api/v1/events', { subject: name, newestFirst: 'true', limit: '50' }),
  ])
  const one = vault.credentials.find((held) => held.name === name && held.version === Number(version))
  if (one === undefined)
    throw failure('not-found', `the vault has no ${plain(id)}`, { facts: { wayOut: 'sitter vault ls' } })
  const renewal = vault.renewals.find((of) => of.name === name) ?? null
  const usedBy = usersOf(name, raw as Configured)
  const nowMs = invocation.world.clock.wallMs()
  const description: SecretDescription = { ...one, usedBy, renewal, timeLine: items }
  invocation.printer.show(description, () => [
    ...facts([
      ['secret', `${plain(one.name)}@${one.version}`],
      ['state', one.state],
      ['fingerprint', one.fingerprint],
      ['set', `${age(nowMs, one.setMs)} ago`],
      ['used', one.usedMs === null ? 'never' : `${age(nowMs, one.usedMs)} ago`],
      ['used by', usedBy],
      ['renewal', renewal === null ? 'none is configured' : renewalText(renewal, nowMs)],
    ]),
    ...section('events', items.map(eventLine)),
  ])
  return 0
}

const kinds: Readonly<Record<string, string>> = {
  file: 'a key file beside the configuration of this user',
  passphrase: 'the passphrase in its file <swarm>.passphrase',
  age: 'the age identity in its file <swarm>.age',
}

export const vaultRekey: Deed = async (invocation) => {
  const kind = invocation.options.text('to') ?? 'file'
  if (!Object.hasOwn(kinds, kind)) throw failure('usage', `--to is one of ${Object.keys(kinds).join(', ')}`)
  if (onlyDry(invocation, `seal all secrets by another key: ${kinds[kind]!}`, { kind })) return 0
  const done = await (await invocation.api()).post<RekeyAnswer>('/api/v1/credentials:rekey', { kind })
  invocation.printer.show(done, () => [
    `${done.secrets} secrets are sealed by ${kinds[kind]!}`,
    ...(done.former === null
      ? []
      : [`the former key is at ${plain(done.former)}: backups made before open by it alone`]),
  ])
  return 0
}

/** An age file on stdout; only whoever has the identity of the recipient can open it. */
export const vaultExport: Deed = async (invocation) => {
  const { options, printer } = invocation
  const recipient = options.text('to')
  if (recipient === undefined)
    throw failure('usage', 'say for whom: --to age1…', {
      facts: { wayOut: 'age-keygen makes an identity and shows its recipient' },
    })
  if (onlyDry(invocation, `export the secrets in use to ${plain(recipient)}`, { recipient })) return 0
  const answer = await (await invocation.api()).post<BackupAnswer>('/api/v1/credentials:backup', { recipient })
  const { armor } = await import('age-encryption')
  const file = armor.encode(Buffer.from(answer.file, 'base64'))
  printer.show({ ...answer, file }, () => file.trimEnd().split('\n'))
  printer.note(`${answer.credentials.length} secrets; \`sitter vault import --identity <file>\` takes them back`)
  return 0
}
