/** `cost`: what calls have cost, and who has spent what may be spent. */
import { failure } from '../../std/std.ts'
import type { CostAnswer, CostOfAnswer, CostTold } from '../api.ts'
import { section } from './story.ts'
import { at, count, counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const amountText = ({ cost, currency }: CostTold): string => `${cost} ${currency}`

const unknownText = ({ unknown, counted: most, currency }: CostTold): string =>
  unknown === 0 ? '–' : `${count(unknown)}, at most ${most} ${currency} with all`

/** "12.34 USD for 1,204 calls; of 3 it is unknown, with them at most 13.84 USD" */
const sumText = (one: CostTold): string =>
  plain(
    `${amountText(one)} for ${counted(one.calls, 'call')}` +
      (one.unknown === 0
        ? ''
        : `; of ${count(one.unknown)} of them nobody knows it: at most ${one.counted} ${one.currency} with all`),
  )

const nothing = 'nothing was charged (prices: upstreams.*.cost, docs/guides/costs.md)'

const ofOne = async ({ api, printer }: Invocation, id: string): Promise<number> => {
  const answer = await (await api()).get<CostOfAnswer>(`/api/v1/costs/${encodeURIComponent(id)}`)
  printer.show(answer, () => {
    const known = answer.sums.map(sumText)
    const unsummed = answer.unknown - answer.sums.reduce((sum, one) => sum + one.unknown, 0)
    const rest = unsummed > 0 ? [`of ${counted(unsummed, 'call')} nobody knows it`] : []
    return known.length + rest.length === 0 ? [`${plain(id)}: ${nothing}`] : [...known, ...rest]
  })
  return 0
}

const budgetText = ({ budget, owner, state, spent, most, endsMs }: CostAnswer['budgets'][number]): string =>
  plain(
    `${budget}: ${owner} has ${state === 'spent' ? 'spent' : 'nearly spent'} ${spent} of ${most}, until ${at(endsMs)}`,
  )

const mostBudgets = 20

export const cost: Deed = async (invocation) => {
  const { options, printer, arguments: words } = invocation
  const [id] = words
  if (id !== undefined) return ofOne(invocation, id)
  const by = options.text('by') ?? 'type'
  if (!['agent', 'type', 'upstream'].includes(by))
    throw failure('usage', `--by ${JSON.stringify(by)}: by agent, type or upstream; sitter cost <id> for one task`)
  const query = new URLSearchParams({ by, limit: options.text('limit') ?? '100' })
  const since = options.text('since')
  if (since !== undefined) query.set('since', since)
  const api = await invocation.api()
  const answer = await api.get<CostAnswer>(`/api/v1/costs?${query.toString()}`)
  if (printer.json) {
    printer.document(answer)
    return 0
  }
  if (answer.items.length === 0) {
    printer.note(`${nothing} since ${answer.fromMs === 0 ? 'ever' : at(answer.fromMs)}`)
    return 0
  }
  printer.list<CostAnswer['items'][number]>(answer.items, ({ owner }) => owner, [
    { head: by.toUpperCase(), value: ({ owner }) => (owner === '' ? 'nobody' : owner) },
    { head: 'COST', value: amountText, align: 'right' },
    { head: 'CALLS', value: ({ calls }) => count(calls), align: 'right' },
    { head: 'UNKNOWN', value: unknownText, shrink: true },
  ])
  if (printer.quiet) return 0
  printer.lines([
    ...section(answer.fromMs === 0 ? 'all' : `all since ${at(answer.fromMs)}`, answer.totals.map(sumText)),
    ...section('budgets', answer.budgets.slice(0, mostBudgets).map(budgetText)),
  ])
  if (answer.next !== null) printer.note('there are more: --limit 1000, or --json with the API')
  return 0
}
