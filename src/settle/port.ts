/** Money: settlements, batches, ledger. Agents decide, the sitter pays. */
import type { Call } from '../wire/wire.ts'

export interface RowFault { readonly line: number; readonly field: string; readonly found: string; readonly why: string }
export interface BatchAnswer { readonly id: string; readonly created: boolean; readonly rows: number; readonly newTasks: number; readonly alreadyThere: number; readonly totals: Readonly<Record<string, string>> }

export interface LedgerCheck {
  readonly ok: boolean
  readonly transfers: number
  readonly accounts: number
  /** What is wrong, each as a sentence; empty when it balances. */
  readonly faults: readonly string[]
  readonly byCurrency: readonly { readonly currency: string; readonly debits: string; readonly credits: string; readonly pending: string }[]
}
export interface SettleSummary {
  readonly byState: Readonly<Record<string, { readonly count: number; readonly amounts: Readonly<Record<string, string>> }>>
  /** Payment requests that went out beyond the first, and why the first did not do. */
  readonly tries: number
  readonly unknown: readonly { readonly id: string; readonly reference: string; readonly why: string; readonly person: boolean }[]
  readonly person: number
  /** True when no settlement can advance without a person. */
  readonly idle: boolean
  readonly cost: readonly { readonly currency: string; readonly amount: string; readonly calls: number; readonly perSettlement: string }[]
}

export interface Settle {
  /** CSV text `reference,payee,amount,currency[,channel,memo]`. Refused whole with every fault: Failure `file-invalid` with facts.faults. */
  batch(file: { readonly name: string; readonly text: string; readonly channel: string | null; readonly actor: string; readonly dryRun: boolean }): Promise<BatchAnswer>
  /** The frame `settle` of an agent: answers when the settlement has ended or waits for a person. */
  request(agent: string, params: unknown): Promise<unknown>
  /** Whether an attempt waits for a settlement. */
  waitsOutside(attempt: string): boolean
  call(call: Call): Promise<void>
  linked(gateId: string): void
  /** A person's word on an unknown settlement, with evidence text. */
  resolve(settlement: string, as: 'settled' | 'absent', evidence: string, actor: string): Promise<void>
  ledgerCheck(): LedgerCheck
  summary(): SettleSummary
  start(): void
  stop(): Promise<void>
}
