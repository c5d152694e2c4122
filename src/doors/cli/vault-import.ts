/**
 * `vault import`: secrets out of where other tools keep them. A `.env`, the JSON that `pm2 jlist` or `docker compose
 * config --format json` print, or an age file of `vault export`. All is read and checked before the first is set, and
 * nothing is taken away from where it was.
 */
import { resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import type { ConfigAnswer, VaultView } from '../api.ts'
import { required } from './asking.ts'
import { readEnvFile } from './env-file.ts'
import { plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const longestImport = 4_194_304

interface CredentialAnswer {
  readonly name: string
  readonly version: number
  readonly fingerprint: string
}
/** A variable somewhere, and where. */
interface Variable {
  readonly variable: string
  readonly value: string
  /** `line 3`, `pm2 api`, `service web`. */
  readonly from: string
}
type Raw = Readonly<Record<string, unknown>>

const usage = (message: string, wayOut: string): Error => failure('usage', message, { facts: { wayOut } })
const isObject = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is wrong is named by its line, never by its text. */
const ofLines = (text: string): Variable[] => {
  const { variables, faults } = readEnvFile(text)
  if (faults.length > 0)
    throw failure('usage', 'nothing was set: lines are wrong', {
      facts: {
        faults: JSON.stringify(faults.map(({ line, why }) => `line ${line}: ${why}`)),
        wayOut: 'write NAME=value, in quotes where it has several lines; lines that begin with # are left out',
      },
    })
  // Nothing is no secret.
  return variables
    .filter(({ value }) => value !== '')
    .map(({ name, value, line }) => ({ variable: name, value, from: `line ${line}` }))
}

const ofEnvironment = (environment: unknown, from: string): Variable[] => {
  // Compose has a list of NAME=value as well.
  const entries = Array.isArray(environment)
    ? environment.map((one) => [String(one).split('=')[0]!, String(one).replace(/^[^=]*=?/, '')])
    : Object.entries(isObject(environment) ? environment : {})
  return entries.flatMap(([variable, value]) =>
    typeof value === 'string' && value !== '' ? [{ variable: variable!, value, from }] : [],
  )
}

/** `pm2 jlist`, an ecosystem file or a dump of pm2 as JSON; `docker compose config --format json`. */
const ofJson = (text: string): Variable[] => {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    // Its text is not repeated: it may be a secret.
    throw usage('this begins like JSON and is none', 'pm2 jlist, or docker compose config --format json, print it')
  }
  const services = isObject(raw) ? raw['services'] : undefined
  if (isObject(services)) {
    return Object.entries(services).flatMap(([name, service]) =>
      ofEnvironment(isObject(service) ? service['environment'] : undefined, `service ${name}`),
    )
  }
  const programs = Array.isArray(raw) ? (raw as unknown[]) : isObject(raw) ? raw['apps'] : undefined
  if (!Array.isArray(programs)) throw usage('this JSON has neither services nor programs', 'see `vault import --help`')
  return programs.filter(isObject).flatMap((one) => {
    const inside = isObject(one['pm2_env']) ? one['pm2_env'] : one
    const name = [one['name'], inside['name']].find((given) => typeof given === 'string') ?? 'program'
    return ofEnvironment(inside['env'], `pm2 ${name}`)
  })
}

/** The age file of `vault export`; each variable is its credential. */
const ofAge = async (text: string, { world, options }: Invocation): Promise<Variable[]> => {
  const path = options.text('identity')
  if (path === undefined) throw usage('this is an age file', '--identity <file> opens it')
  const identities = await world.disk.readTextIfThere(resolve(world.directory, path))
  const { armor, Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  for (const line of (identities ?? '').split(/\r?\n/))
    if (line.startsWith('AGE-SECRET-KEY-')) decrypter.addIdentity(line.trim())
  let opened: Raw
  try {
    opened = JSON.parse(await decrypter.decrypt(armor.decode(text), 'text')) as Raw
  } catch {
    throw usage(
      'this identity does not open it, or it is damaged',
      'take the identity of the recipient it was made for',
    )
  }
  const list = Array.isArray(opened['credentials']) ? opened['credentials'].filter(isObject) : []
  return list.flatMap(({ name, version, value }) =>
    typeof name === 'string' && typeof value === 'string'
      ? [{ variable: name, value, from: `${name}@${String(version)}` }]
      : [],
  )
}

const variablesOf = (text: string, invocation: Invocation): Promise<Variable[]> | Variable[] => {
  if (text.trimStart().startsWith('-----BEGIN AGE')) return ofAge(text, invocation)
  return /^\s*[{[]/.test(text) ? ofJson(text) : ofLines(text)
}

const mapOf = (given: readonly string[]): ReadonlyMap<string, string> =>
  new Map(
    given.map((one) => {
      const [, variable, credential] = /^([^=]+)=([a-zA-Z0-9][a-zA-Z0-9._-]{0,62})$/.exec(one) ?? []
      if (variable === undefined) throw usage('a --map is NAME=credential', '--map BANK_TOKEN=northbank')
      return [variable, credential!]
    }),
  )

const alike = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')

/** Which credential of the configuration a variable is; undefined = none, and it is left where it is. */
const targetOf = (variable: string, map: ReadonlyMap<string, string>, known: readonly string[]): string | undefined =>
  map.get(variable) ?? known.find((name) => name === variable) ?? known.find((name) => alike(name) === alike(variable))

interface Taken extends Variable {
  readonly name: string
}

const knownNames = ({ raw }: ConfigAnswer): readonly string[] => {
  const { credentials = {} } = raw as { credentials?: Record<string, { pool?: readonly string[] }> }
  return Object.entries(credentials).flatMap(([name, { pool = [] }]) => [name, ...pool])
}

/** Two different values for one credential are no import, but a question. */
const refuseDoubles = (taken: readonly Taken[]): void => {
  for (const one of taken) {
    const other = taken.find(({ name, value }) => name === one.name && value !== one.value)
    if (other !== undefined)
      throw usage(`${one.name} would be set twice, from ${one.from} and ${other.from}`, 'say which with --map')
  }
}

const readGiven = async ({ world }: Invocation, given: string): Promise<string> => {
  if (given === '-') return world.stdin.readAll(longestImport)
  const text = await world.disk.readTextIfThere(resolve(world.directory, given))
  if (text !== undefined) return text
  throw failure('not-found', `there is no file ${resolve(world.directory, given)}`, {
    facts: { wayOut: 'check the path, or give - for stdin' },
  })
}

export const vaultImport: Deed = async (invocation) => {
  const { printer, options } = invocation
  const given = required(invocation, 0)
  const map = mapOf(options.list('map'))
  const variables = await variablesOf(await readGiven(invocation, given), invocation)
  const api = await invocation.api()
  const known = knownNames(await api.get<ConfigAnswer>('/api/v1/config/current'))
  const found = variables.map((one) => ({ ...one, name: targetOf(one.variable, map, known) }))
  const taken = found.filter((one): one is Taken => one.name !== undefined)
  const left = found.filter(({ name }) => name === undefined).map(({ variable, from }) => ({ variable, from }))
  refuseDoubles(taken)
  if (taken.length === 0)
    throw usage(`none of its ${variables.length} names is a credential of the configuration`, '--map NAME=credential')
  const once = [...new Map(taken.map((one) => [one.name, one])).values()]
  if (options.flag('dryRun')) {
    const would = once.map(({ name, variable, from, value }) => ({ name, variable, from, characters: value.length }))
    printer.show({ dryRun: true, would, left }, () => [
      ...would.map(
        (one) => `would set ${plain(one.name)} from ${plain(one.variable)} (${one.from}, ${one.characters} characters)`,
      ),
      ...left.map(({ variable, from }) => `would leave ${plain(variable)} (${from})`),
    ])
    return 0
  }
  const { sealingKey } = await api.get<VaultView>('/api/v1/credentials')
  const { sealTo } = await import('../../gatelink/gatelink.ts')
  const set: CredentialAnswer[] = []
  for (const { name, value } of once)
    set.push(await api.post<CredentialAnswer>('/api/v1/credentials', { name, sealed: sealTo(sealingKey, value) }))
  printer.show({ set, left }, () =>
    set.map(({ name, version, fingerprint }) => `${plain(name)}@${version}  ${fingerprint}`),
  )
  if (left.length > 0) printer.note(`left where they are: ${left.map(({ variable }) => plain(variable)).join(', ')}`)
  printer.note(
    'they still lie where they came from, in the clear: remove them there, and have them replaced at their provider',
  )
  return 0
}
