/** docs/cli.md, made from the verbs of the program and from the interfaces that its JSON has in the source. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { everywhere, type Verb } from '../../../src/doors/cli/verb.ts'
import { groupSummaries, laterVerbs, verbs } from '../../../src/doors/cli/verbs.ts'

/** Where interfaces that JSON is made of are declared. */
const sources = [
  'doors/api.ts',
  'doors/costs-api.ts',
  'doors/upstreams.ts',
  'drill/report.ts',
  'doors/cli/run.ts',
  'doors/cli/judgement.ts',
  'doors/cli/doctor-checks.ts',
  'doors/cli/up-dry.ts',
  'fleet/port.ts',
  'fleet/modes/port.ts',
  'model/mode.ts',
  'fleet/governor/governor.ts',
  'settle/port.ts',
  'work/port.ts',
  'store/queries.ts',
  'store/record-views.ts',
  'store/incident-queries.ts',
  'store/page.ts',
  'store/sqlite/backup.ts',
  'wire/link.ts',
  'wire/vault-views.ts',
  'wire/costs.ts',
  'wire/status.ts',
  'wire/standing.ts',
  'config/plan.ts',
  'config/explain.ts',
  'record/backup/backup.ts',
  'record/log/line.ts',
  'record/metrics/family.ts',
  'model/agent.ts',
  'model/evidence.ts',
  'model/incident.ts',
  'model/task.ts',
  'model/settlement.ts',
  'std/pressure.ts',
  'std/proc.ts',
]

/** Names that need no words here. */
const understood = new Set(['Readonly', 'Record', 'Partial', 'Omit', 'Exclude', 'Pick', 'List', 'Uint8Array'])

const declarations = (): Map<string, string> => {
  const found = new Map<string, string>()
  for (const source of sources) {
    const text = readFileSync(join(import.meta.dirname, '../../../src', source), 'utf8')
    const pattern =
      /^export (?:interface (\w+)[^{]*(?:\{\}|\{[^]*?^\})|type (\w+)(?: =|\n)[^]*?(?=\n(?:\n|export|\/\*\*|const))|const (\w+) = \[[^]*?\] as const)/gm
    for (const [whole, shape, alias, list] of text.matchAll(pattern)) {
      const name = shape ?? alias ?? list!
      if (!found.has(name)) found.set(name, whole.replace(/^export /, '').trimEnd())
    }
  }
  return found
}

const namesIn = (text: string): string[] =>
  text.replaceAll(/\/\*\*[^]*?\*\//g, '').match(/\b[A-Z]\w+\b|\b\w+(?=\)\[number\])/g) ?? []

/** The interfaces that a text names, with those that they name, in the order in which they are met. */
const shapesOf = (texts: readonly string[]): Map<string, string> => {
  const known = declarations()
  const shapes = new Map<string, string>()
  const add = (name: string): void => {
    const text = known.get(name)
    if (text === undefined || shapes.has(name)) return
    shapes.set(name, text)
    for (const inner of namesIn(text)) add(inner)
  }
  for (const text of texts) for (const name of namesIn(text)) add(name)
  return shapes
}

/** Names of shapes in the verbs that no interface has. */
export const unexplained = (): string[] => {
  const known = declarations()
  return verbs.flatMap(({ gives }) =>
    (gives.replaceAll(/\bas (?=\w)/g, '').match(/\b[A-Z]\w+\b/g) ?? []).filter(
      (name) => !known.has(name) && !understood.has(name),
    ),
  )
}

const table = (rows: readonly (readonly [string, string])[]): string[] =>
  rows.map(([name, what]) => `- \`${name}\` ${what}`)

const verbText = (verb: Verb): string[] => [
  `### sitter ${[verb.path, ...(verb.parameters ?? []).map(([name]) => name)].join(' ')}`,
  '',
  `${verb.summary[0]!.toUpperCase()}${verb.summary.slice(1)}.${verb.alias === undefined ? '' : ` Also \`sitter ${verb.alias}\`.`}`,
  '',
  ...table([...(verb.parameters ?? []), ...(verb.options ?? [])]),
  ...Object.entries(verb.exits ?? {}).map(([code, what]) => `- exit ${code}: ${what}`),
  `- \`--json\`: ${/^[a-z]/.test(verb.gives) && !verb.gives.startsWith('lines of') ? verb.gives : `\`${verb.gives}\``}`,
  '',
  '```sh',
  ...verb.examples.map((example) => `sitter ${example}`),
  '```',
  '',
]

const groups = [...new Set(verbs.map(({ group }) => group))]

export const reference = (): string => {
  const shown = verbs.filter(({ hidden }) => hidden !== true)
  const shapes = shapesOf(shown.map(({ gives }) => gives))
  return `${[
    '# The command line',
    '',
    'Made from the program by test/doors/cli/reference.test.ts: `npx vitest run test/doors/cli/reference.test.ts -u` writes it anew.',
    '',
    'JSON stands alone on stdout, messages on stderr. Texts from outside are shown with their control characters as',
    'escapes, and JSON escapes them too. `sitter help <verb>` shows what stands here.',
    '',
    '## For every verb',
    '',
    'Options may stand before the verb or behind it; the nearest to its end wins.',
    '',
    ...table(everywhere),
    '- `-h, --help` help for a verb',
    '- `-V, --version` the version',
    '',
    '| exit | means |',
    '|---|---|',
    '| 0 | done |',
    '| 1 | failed, or a check is violated |',
    '| 2 | wrong usage or configuration, or not built yet |',
    '| 3 | not found |',
    '| 4 | unhealthy, degraded, or something waits for a person |',
    '| 5 | not allowed |',
    '| 6 | conflict |',
    '| 69 | no sitter answers |',
    '| 75 | try later |',
    '| 124 | a wait timed out |',
    '| 130 | interrupted |',
    '',
    'With `--json` an error is one line on stderr: `{"error": {code, what, faults, faultCount, wayOut, exit}}`; docs/errors.md',
    'has every code. `--dry-run --json` gives `{"dryRun": true, "would": …}`. `List<Item>` is',
    '`{"items": Item[], "next": null}`; `lines of Item` is one JSON object a line.',
    '',
    ...groups.flatMap((group) => [
      `## ${group}`,
      '',
      ...shown.filter((verb) => verb.group === group).flatMap(verbText),
    ]),
    '## Not built yet',
    '',
    'These say so and exit 2:',
    '',
    ...table(Object.entries(laterVerbs)),
    '',
    '## Shapes',
    '',
    'As they stand in the source. `…Ms` is a wall time or a length in milliseconds; amounts are text in major units.',
    '',
    '```ts',
    [...shapes.values()].join('\n\n'),
    '```',
  ].join('\n')}\n`
}

export const groupNames = Object.keys(groupSummaries)
