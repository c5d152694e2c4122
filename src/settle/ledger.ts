/**
 * The books of a settlement, and their check. Reserve: funds → clearing, pending. Settled: the reservation is posted,
 * and clearing is emptied into what was paid out, so that clearing is zero for each settled payment. Not paid: the
 * reservation is voided.
 */
import { formatAmount } from '../std/std.ts'
import type { AccountView, NewTransfer, Queries, SettlementView, TransferView } from '../store/store.ts'
import type { LedgerCheck } from './port.ts'

type Paid = Pick<SettlementView, 'id' | 'payer' | 'channel' | 'amountMinor' | 'currency'>

const reservation = (settlement: Paid): Omit<NewTransfer, 'id' | 'kind' | 'pendingId'> => ({
  debit: `clearing:${settlement.channel}`,
  credit: `funds:${settlement.payer}`,
  amountMinor: settlement.amountMinor,
  currency: settlement.currency,
  settlement: settlement.id,
})

export const reserve = (settlement: Paid): NewTransfer => ({
  ...reservation(settlement),
  id: `${settlement.id}:reserve`,
  kind: 'pending',
  pendingId: null,
})

export const post = (settlement: Paid): readonly NewTransfer[] => [
  { ...reservation(settlement), id: `${settlement.id}:post`, kind: 'post', pendingId: `${settlement.id}:reserve` },
  {
    ...reservation(settlement),
    id: `${settlement.id}:paid`,
    kind: 'single',
    pendingId: null,
    debit: `paid:${settlement.channel}`,
    credit: `clearing:${settlement.channel}`,
  },
]

export const release = (settlement: Paid): readonly NewTransfer[] => [
  { ...reservation(settlement), id: `${settlement.id}:void`, kind: 'void', pendingId: `${settlement.id}:reserve` },
]

type Sums = { debitsPending: bigint; debitsPosted: bigint; creditsPending: bigint; creditsPosted: bigint }

/** The accounts as the transfers make them; grows with each page that is added. */
export class Fold {
  readonly accounts = new Map<string, Sums>()
  transfers = 0
  lastSeq: string | null = null

  #account(code: string, currency: string): Sums {
    const key = `${code} ${currency}`
    let sums = this.accounts.get(key)
    if (!sums)
      this.accounts.set(key, (sums = { debitsPending: 0n, debitsPosted: 0n, creditsPending: 0n, creditsPosted: 0n }))
    return sums
  }

  add(transfer: TransferView): void {
    const debit = this.#account(transfer.debit, transfer.currency)
    const credit = this.#account(transfer.credit, transfer.currency)
    const { amountMinor } = transfer
    const pending = transfer.kind === 'pending' ? amountMinor : transfer.kind === 'single' ? 0n : -amountMinor
    const posted = transfer.kind === 'post' || transfer.kind === 'single' ? amountMinor : 0n
    debit.debitsPending += pending
    debit.debitsPosted += posted
    credit.creditsPending += pending
    credit.creditsPosted += posted
    this.transfers += 1
    this.lastSeq = String(transfer.seq)
  }
}

const foldPage = 5_000

/** Adds all transfers that came since, and gives the accounts as they were at the last of them. */
export const foldOn = async (fold: Fold, read: Pick<Queries, 'books'>): Promise<readonly AccountView[]> => {
  for (;;) {
    const { transfers, accounts } = await read.books({ limit: foldPage, after: fold.lastSeq })
    for (const transfer of transfers) fold.add(transfer)
    if (transfers.length < foldPage) return accounts
  }
}

const differs = (account: AccountView, sums: Sums | undefined): boolean =>
  sums === undefined ||
  sums.debitsPending !== account.debitsPending ||
  sums.debitsPosted !== account.debitsPosted ||
  sums.creditsPending !== account.creditsPending ||
  sums.creditsPosted !== account.creditsPosted

/** Compares the accounts with the folded transfers, and debits with credits per currency. */
export const checkBooks = (fold: Fold, accounts: readonly AccountView[]): LedgerCheck => {
  const faults: string[] = []
  const sums = new Map<string, { debits: bigint; credits: bigint; pendingDebits: bigint; pendingCredits: bigint }>()
  for (const account of accounts) {
    if (differs(account, fold.accounts.get(`${account.code} ${account.currency}`))) {
      faults.push(`account ${account.code} ${account.currency} is not what its transfers add up to`)
    }
    const sum = sums.get(account.currency) ?? { debits: 0n, credits: 0n, pendingDebits: 0n, pendingCredits: 0n }
    sum.debits += account.debitsPosted
    sum.credits += account.creditsPosted
    sum.pendingDebits += account.debitsPending
    sum.pendingCredits += account.creditsPending
    sums.set(account.currency, sum)
  }
  if (accounts.length !== fold.accounts.size)
    faults.push(`there are ${accounts.length} accounts, the transfers name ${fold.accounts.size}`)
  for (const [currency, sum] of sums) {
    if (sum.debits !== sum.credits)
      faults.push(
        `${currency}: debits ${formatAmount(sum.debits, currency)} ≠ credits ${formatAmount(sum.credits, currency)}`,
      )
    if (sum.pendingDebits !== sum.pendingCredits) faults.push(`${currency}: pending debits and credits differ`)
  }
  const byCurrency = [...sums].map(([currency, sum]) => ({
    currency,
    debits: formatAmount(sum.debits, currency),
    credits: formatAmount(sum.credits, currency),
    pending: formatAmount(sum.pendingDebits, currency),
  }))
  return { ok: faults.length === 0, transfers: fold.transfers, accounts: accounts.length, faults, byCurrency }
}
