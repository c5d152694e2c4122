/** Money: settlements, batches, ledger. Agents decide, the sitter pays. */
import type { Call } from '../gatelink/gatelink.ts'
import type { SettlementState } from '../model/model.ts'

export interface RowFault {
  readonly line: number
  readonly field: string
  readonly found: string
  readonly why: string
}
export interface BatchAsk {
  readonly name: string
  readonly text: string
  readonly channel: string | null
  readonly actor: string
  readonly dryRun: boolean
}
export interface BatchAnswer {
  /** Null for a dry run of a file that is not there yet. */
  readonly id: string | null
  readonly created: boolean
  readonly rows: number
  readonly newTasks: number
  readonly alreadyThere: number
  readonly totals: Readonly<Record<string, string>>
}

/** What an agent asks for. The same reference with the same parameters is the same settlement, for ever. */
export interface SettleAsk {
  readonly attempt: string
  readonly reference: string
  readonly payee: string
  readonly amount: string
  readonly currency: string
  readonly channel?: string
  readonly memo?: string
}
/** How a payment stands that this attempt's task, or its agent, asked for. */
export type StandingAsk = Pick<SettleAsk, 'attempt' | 'reference' | 'channel'>
/** In answer to `settle` an end, or `unknown`: it waits for a person. */
export interface SettleOutcome {
  readonly settlement: string
  readonly state: SettlementState
  readonly reason?: string
  readonly providerReference?: string
}

export interface LedgerCheck {
  readonly ok: boolean
  readonly transfers: number
  readonly accounts: number
  /** What is wrong, each as a sentence; empty when it balances. */
  readonly faults: readonly string[]
  readonly byCurrency: readonly {
    readonly currency: string
    readonly debits: string
    readonly credits: string
    readonly pending: string
  }[]
}
export interface SettleSummary {
  readonly byState: Readonly<
    Record<string, { readonly count: number; readonly amounts: Readonly<Record<string, string>> }>
  >
  /**
   * Payment requests, the first of each settlement included; those that the gate held back (frozen, a limit, a
   * credential) are none.
   */
  readonly tries: number
  /** At most 100 of them. */
  readonly unknown: readonly {
    readonly id: string
    readonly reference: string
    readonly why: string
    readonly person: boolean
  }[]
  /** Settlements that wait for a person. */
  readonly person: number
  /** True when no settlement can advance without a person. */
  readonly idle: boolean
  readonly cost: readonly {
    readonly currency: string
    readonly amount: string
    readonly calls: number
    readonly perSettlement: string
  }[]
  /** Calls of which nobody knows what they cost: their answer was lost, or told no figures. */
  readonly costUnknown: number
}

/**
 * A person's word on one payment: what became of an unknown one, by evidence; or whether one that is not yet at the
 * provider waits, goes on, or ends.
 */
export type PersonsWord =
  | { readonly order: 'resolve'; readonly as: 'settled' | 'absent'; readonly why: string }
  | { readonly order: 'hold' | 'release' | 'cancel'; readonly why: string }

export interface Settle {
  /**
   * CSV text `reference,payee,amount,currency[,channel,memo]`. Refused whole with every fault: Failure `file-invalid`
   * with facts.faults.
   */
  batch(file: BatchAsk): Promise<BatchAnswer>
  /** The frame `settle` of an agent: answers when the settlement has ended or waits for a person. */
  request(ask: SettleAsk, agent: string): Promise<SettleOutcome>
  /** The frame `settlement` of an agent; null where neither its task nor it asked for such a payment. */
  standing(ask: StandingAsk, agent: string): Promise<SettleOutcome | null>
  /** Whether an attempt waits for a settlement. */
  waitsOutside(attempt: string): boolean
  /** These attempts are over: their agents wait no more. */
  forget(attempts: readonly string[]): void
  /** The outcome of a grant; resolves after the commit. */
  call(call: Call): Promise<void>
  linked(gateId: string): void
  /** What the gate held back while everything was frozen goes on at once. */
  thawed(): void
  /** Modes have changed: what they kept back is looked at again. */
  remoded(): void
  /** Resolves after the commit. Rejects `not-found`, `conflict`. */
  decide(settlement: string, word: PersonsWord, actor: string): Promise<void>
  /**
   * `new` folds only the transfers since the last check (cheap, for displays); `all` folds every one and joins
   * settlements with them.
   */
  ledgerCheck(extent: 'new' | 'all'): Promise<LedgerCheck>
  summary(): Promise<SettleSummary>
  start(): void
  stop(): Promise<void>
}
