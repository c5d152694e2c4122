/** What the provider's log says that it billed, and whether what the sitter says is the same. */
interface Line {
  readonly kind: string
  readonly model?: string
  readonly input?: number
  readonly output?: number
}
/** What the sitter says of all calls. */
export interface Told {
  /** Of those whose cost is known. */
  readonly cost: string
  /** Calls whose cost is not. */
  readonly unknown: number
}

/** Ten-thousandths of a millionth of a dollar for a token: whole numbers, so that the sum is exact. */
const prices: Readonly<Record<string, readonly [number, number]>> = {
  'rehearsal-small': [8_000, 40_000],
  'rehearsal-large': [30_000, 150_000],
}
const billed = (lines: readonly Line[]): bigint =>
  lines.reduce((sum, { model, input, output }) => {
    const [read, written] = prices[model!]!
    return sum + BigInt(input!) * BigInt(read) + BigInt(output!) * BigInt(written)
  }, 0n)
const dollars = (amount: bigint): string => {
  const text = amount.toString().padStart(11, '0')
  return `${text.slice(0, -10)}.${text.slice(-10)}`.replace(/(\.\d\d\d*?)0*$/, '$1')
}

export const linesOf = (text: string): readonly Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)

export const billOf = (lines: readonly Line[]) => {
  const of = (kind: string): readonly Line[] => lines.filter((line) => line.kind === kind)
  const [cuts, failed] = [of('cut'), of('error')]
  return {
    answered: dollars(billed(of('answered'))),
    cut: dollars(billed(cuts)),
    cuts: cuts.length,
    failed: failed.length,
  }
}

/**
 * To the last digit of what was answered whole. What an answer cost that was cut off nobody on this side can know; nor
 * what a 500 cost, for it may have come before the work or after it. A 429 and a 529 say that nothing was done.
 */
export const agree = (lines: readonly Line[], told: Told | undefined): boolean => {
  const { answered, cuts, failed } = billOf(lines)
  return told !== undefined && told.cost === answered && told.unknown === cuts + failed
}
