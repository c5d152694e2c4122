/** By what the example with language models says that provider and sitter agree. */
import { expect, test } from 'vitest'
import { agree, linesOf } from '../../examples/llm-agents/bill.ts'

const log = [
  { kind: 'answered', model: 'rehearsal-small', input: 1_000, output: 100 },
  { kind: 'answered', model: 'rehearsal-large', input: 10, output: 1 },
  { kind: 'cut', model: 'rehearsal-large', input: 1_000, output: 1_000 },
  { kind: 'error' },
  { kind: 'overloaded' },
  { kind: 'limited' },
]
const lines = linesOf(`${log.map((line) => JSON.stringify(line)).join('\n')}\n`)
/** 1,000 and 100 tokens for 0.80 and 4.00 USD a million; 10 and 1 for 3.00 and 15.00. */
const cost = '0.001245'

test('What was cut off and what ended in a 500 is of unknown cost, a 429 and a 529 is not', () => {
  expect(agree(lines, { cost, unknown: 2 })).toBe(true)
  expect(agree(lines, { cost, unknown: 1 })).toBe(false)
  expect(agree(lines, { cost, unknown: 3 })).toBe(false)
})

test('They agree to the last digit or not at all, and not when one says nothing', () => {
  expect(agree(lines, { cost: '0.001246', unknown: 2 })).toBe(false)
  expect(agree(lines, undefined)).toBe(false)
})
