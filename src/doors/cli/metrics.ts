/** `metrics`: the figures that Prometheus scrapes, for a person or a script. */
import type { MetricsAnswer } from '../api.ts'
import { tableLines } from './table.ts'
import { plain } from './text.ts'
import type { Deed } from './verb.ts'

interface Row {
  readonly name: string
  readonly labels: string
  readonly value: number
}

const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')

export const metrics: Deed = async ({ arguments: [part], api, printer }) => {
  const answer = await (await api()).get<MetricsAnswer>('/api/v1/metrics')
  const families = answer.families.filter(({ name }) => part === undefined || name.includes(part))
  const rows = families.flatMap(({ name, samples }) =>
    samples.map(({ labels, value, part: of }): Row => {
      return { name: of === undefined ? name : `${name}_${of}`, labels: labelsText(labels), value }
    }),
  )
  printer.show({ ...answer, families }, () =>
    rows.length === 0
      ? [`no figure has ${plain(part ?? '')} in its name`]
      : tableLines(
          rows,
          [
            { head: 'FIGURE', value: ({ name }) => name },
            { head: 'LABELS', value: ({ labels }) => labels, shrink: true },
            { head: 'VALUE', value: ({ value }) => String(value), align: 'right' },
          ],
          printer.columns,
        ),
  )
  return rows.length === 0 ? 3 : 0
}
