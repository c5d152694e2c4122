/**
 * Writes payouts.csv: 10,000 payouts in XTS, ISO 4217's code for tests. Seeded, so that every run gives the same bytes.
 *
 *   node examples/payouts/make-payouts.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const rows = 10_000
const seed = 20_260_101

/** Numerical Recipes' linear congruential generator; its high bits are random enough for an example. */
const generator = (start: number): ((below: number) => number) => {
  let state = start >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 4_294_967_296) * below)
  }
}

const purposes = [
  'delivery round',
  'translation',
  'data labels',
  'night shift',
  'repair',
  'photo licence',
  'tutoring',
  'harvest',
  'survey',
  'refund',
]

const two = (value: number): string => String(value).padStart(2, '0')

/** The whole file as text. */
export const payoutsCsv = (): string => {
  const below = generator(seed)
  const lines = ['reference,payee,amount,currency,memo']
  for (let row = 1; row <= rows; row += 1) {
    const number = String(row).padStart(5, '0')
    const payee = `worker-${String(1 + below(4_000)).padStart(4, '0')}`
    // Mostly small sums, one in twenty a large one, like a real run of payouts.
    const whole = below(20) === 0 ? 500 + below(4_500) : 5 + below(395)
    const amount = `${whole}.${two(below(100))}`
    const memo = `${purposes[below(purposes.length)]} ${two(1 + below(31))} January`
    lines.push(`PAY-2026-01-${number},${payee},${amount},XTS,${memo}`)
  }
  return `${lines.join('\n')}\n`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, 'payouts.csv'), payoutsCsv())
