/**
 * `up --dry-run`: the configuration, its agents' modules and the file are checked as a start would, and what a start
 * would do is said. Nothing is started, made, written or sent; what only the record knows is not looked at, and said
 * so.
 */
import { basename } from 'node:path'
import { whyNotFresh } from '../../config/config.ts'
import { checkBatch } from '../../settle/settle.ts'
import { failure } from '../../std/std.ts'
import { loadChecked } from './config.ts'
import { runningSitter } from './locate.ts'
import { amountsText } from './money.ts'
import { facts } from './story.ts'
import { counted, plain } from './text.ts'
import type { Invocation } from './verb.ts'

export interface UpPlan {
  readonly dryRun: true
  readonly config: string
  readonly dataDirectory: string
  /** `begins` where there is none, `goes-on`, `thrown-away` with --fresh; `in-postgresql` is not looked at. */
  readonly record: 'begins' | 'goes-on' | 'thrown-away' | 'in-postgresql'
  readonly agents: Readonly<Record<string, number>>
  readonly untried: readonly { readonly types: readonly string[]; readonly why: string }[]
  readonly file: {
    readonly name: string
    readonly rows: number
    readonly totals: Readonly<Record<string, string>>
  } | null
}

const recordTexts: Readonly<Record<UpPlan['record'], string>> = {
  begins: 'would begin',
  'in-postgresql': 'beside a record in PostgreSQL, which is not looked at',
  'goes-on': 'is there: would go on with it',
  'thrown-away': 'is there: would be thrown away (--fresh), with tasks, settlements, ledger and audit',
}

const lines = (plan: UpPlan): string[] =>
  facts([
    ['config', `${plain(plan.config)} is valid`],
    ['record', `${plain(plan.dataDirectory)} ${recordTexts[plan.record]}`],
    ...Object.entries(plan.agents).map(([type, number]): [string, string] => [
      'start',
      `${counted(number, 'agent')} of ${plain(type)}`,
    ]),
    ...(plan.file === null
      ? []
      : [
          [
            'pay',
            `${plain(plan.file.name)}: ${counted(plan.file.rows, 'row')} worth ${amountsText(plan.file.totals)}` +
              (plan.record === 'goes-on' || plan.record === 'in-postgresql'
                ? ', less what its record knows already (not looked at)'
                : ''),
          ] as [string, string],
        ]),
    ['', 'nothing was done (--dry-run)'],
  ])

export const upDry = async (
  invocation: Invocation,
  dataDirectory: string,
  file: { readonly name: string; readonly text: string } | null,
): Promise<number> => {
  const { world, options, printer } = invocation
  const other = await runningSitter(world, dataDirectory)
  if (other !== undefined)
    throw failure('already-running', `a sitter runs on ${dataDirectory} already, pid ${other.pid}`)
  const { file: path, config, untried } = await loadChecked(invocation)
  const isThere = await world.disk.exists(dataDirectory)
  const fresh = options.flag('fresh')
  const refused = fresh ? whyNotFresh(config) : undefined
  if (refused !== undefined) throw failure('fresh-refused', refused)
  const batch = file && (await checkBatch(config, file))
  const plan: UpPlan = {
    dryRun: true,
    config: path,
    dataDirectory,
    record: config.store !== 'embedded' ? 'in-postgresql' : !isThere ? 'begins' : fresh ? 'thrown-away' : 'goes-on',
    agents: Object.fromEntries(Object.values(config.agents).map(({ name, count }) => [name, count])),
    untried,
    file: batch && { name: basename(file.name), rows: batch.rows, totals: batch.totals },
  }
  printer.show(plan, () => lines(plan))
  return 0
}
