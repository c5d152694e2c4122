/**
 * What the contract names and this version cannot do. Taking such a key and ignoring it would be false success:
 * somebody believes in an alert that never rings. So each is refused by name. An entry goes when the thing works.
 */
import type { Path } from './faults.ts'

/** Paths with `*` for any one name. */
const keys: Readonly<Record<string, string>> = {
  schedules: 'schedules',
  workflows: 'workflows',
  approvals: 'approvals',
  retention: 'retention',
  metrics: 'metrics settings',
  adoptWithin: 'the adoption of cells by a new sitter',
  'agents.*.adoptWithin': 'the adoption of cells by a new sitter',
  'agents.*.schedule': 'schedules',
  'tasks.*.after': 'dependencies between task types',
  'channels.*.fallback': 'fallback channels',
  'channels.*.limits': 'limits on what a channel pays',
  'channels.*.approval': 'approvals',
  'api.tls': 'TLS on its own port',
  'api.login': 'outside logins',
}

/** Values that the contract knows, by path. */
const values: readonly { readonly path: string; readonly starts: readonly string[]; readonly what: string }[] = [
  { path: 'bus', starts: ['nats:', 'postgres:', 'postgresql:'], what: 'a bus beyond this host' },
  { path: 'agents.*.cell', starts: ['worker'], what: 'cells other than "pool", "vm", "process" and "sandbox"' },
  { path: 'agents.*.cell.kind', starts: ['worker'], what: 'cells other than "pool", "vm", "process" and "sandbox"' },
  {
    path: 'channels.*.kind',
    starts: ['paypal', 'binance', 'ach', 'nacha', 'sepa', 'iso20022', 'file', 'manual'],
    what: 'channels other than "http"',
  },
]

const matches = (wanted: string, path: Path): boolean => {
  const parts = wanted.split('.')
  return parts.length === path.length && parts.every((part, index) => part === '*' || part === path[index])
}

const sentence = (what: string): string => `it to be left out: this version does not have ${what} yet`

/** Each thing once, as a person reads it. */
export const thingsNotYet: ReadonlySet<string> = new Set([...Object.values(keys), ...values.map(({ what }) => what)])

/** What was to be expected instead of a key that a later version will have; undefined for every other key. */
export const keyNotYet = (path: Path): string | undefined => {
  const found = Object.entries(keys).find(([wanted]) => matches(wanted, path))
  return found && sentence(found[1])
}

/** The same for a value. */
export const valueNotYet = (path: Path, value: unknown): string | undefined => {
  if (typeof value !== 'string') return undefined
  const found = values.find(
    (entry) => matches(entry.path, path) && entry.starts.some((start) => value.startsWith(start)),
  )
  return found && sentence(found.what)
}
