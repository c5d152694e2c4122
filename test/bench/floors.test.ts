/** What misses its floor is told, and what was never measured misses it. */
import { expect, test } from 'vitest'
import { missed, type Runner } from '../../bench/rounds.ts'

const runner = (name: string, floor?: Runner['floor']): Runner => ({
  name,
  program: '',
  needs: 'nothing',
  options: {},
  ...(floor && { floor }),
})
const line = (name: string, ...values: readonly number[]) => ({
  name,
  rounds: values.map((value) => ({ figures: { rate: value }, delivery: null, facts: {} })),
  faults: [],
})

test('beside a peer the median of the rounds counts', () => {
  const runners = [runner('ours'), runner('peer', { figure: 'rate', atLeast: 2 })]
  expect(missed(runners, [line('ours', 40, 10, 60), line('peer', 20, 20, 20)])).toEqual([])
  expect(missed(runners, [line('ours', 30, 10, 60), line('peer', 20, 20, 20)])).toEqual([
    '  below its floor: rate beside peer is ×1.50, not at least ×2',
  ])
})

test('a bound of its own needs no peer', () => {
  const runners = [runner('ours', { figure: 'rate', most: 200 })]
  expect(missed(runners, [line('ours', 150, 900, 100)])).toEqual([])
  expect(missed(runners, [line('ours', 150, 900, 300)])).toEqual([
    '  beyond its bound: rate of ours is 300, not at most 200',
  ])
  expect(
    missed(runners, [{ name: 'ours', rounds: [{ figures: {}, delivery: null, facts: {} }], faults: [] }]),
  ).toHaveLength(1)
})
