/** Commands of money. Amounts are bigint minor units; ledger rows are only ever added. */
import type { SettlementEvent, SettlementState } from '../../model/model.ts'
import type { Defined } from './result.ts'

export interface NewSettlement {
  readonly id: string
  /** Payer account: references are unique within it. */
  readonly payer: string
  readonly reference: string
  readonly payee: string
  readonly amountMinor: bigint
  readonly currency: string
  readonly channel: string
  readonly memo: string | null
  /** The provider's idempotency key, the same for every attempt for ever. */
  readonly providerKey: string
  readonly batch: string | null
  readonly task: string | null
  readonly agent: string | null
}

/** What is sent, written before it is sent. */
export interface NewIntent {
  readonly settlement: string
  /** 1, 2, … */
  readonly number: number
  readonly grant: string
  readonly kind: 'pay' | 'query'
  /** JSON text of the GrantedRequest. */
  readonly request: string
  readonly hash: string
  /** Identity of gate.db that the grant goes to: another one later means its outcome is unknown. */
  readonly gateId: string
}

/**
 * A ledger transfer. `pending` reserves, `post` makes a pending one final, `void` undoes it, `single` is final at once.
 */
export interface NewTransfer {
  readonly id: string
  readonly kind: 'pending' | 'post' | 'void' | 'single'
  readonly pendingId: string | null
  readonly debit: string
  readonly credit: string
  readonly amountMinor: bigint
  readonly currency: string
  readonly settlement: string | null
}

/**
 * Opens a settlement in state `reserved`. Refused `exists` (detail: its id) when payer and reference are there with the
 * same parameters, `exists-with-different` naming the first field that differs: so whatever else the list does, it does
 * for a new one only.
 */
export type SettlementOpen = Defined<
  'settlement.open',
  { readonly settlement: NewSettlement; readonly wallMs: number },
  null
>

/**
 * Moves a settlement by one event. Refused `stale` when its state is not `from`, `illegal` when the event does not fit.
 */
export type SettlementMove = Defined<
  'settlement.move',
  {
    readonly settlement: string
    readonly from: SettlementState
    readonly event: SettlementEvent
    readonly reason: string | null
    /** When the sitter will act on it next; null = it does not wait for time. */
    readonly nextMs: number | null
    /** True: it waits for a person and stands in the inbox. */
    readonly person: boolean
    /** Adds to the count of payment tries. */
    readonly tries: number
    readonly providerReference: string | null
    readonly wallMs: number
  },
  { readonly state: SettlementState }
>

/**
 * Changes only the waiting facts of a settlement that stays in its state (asked again later, now waits for a person).
 * Refused `stale` when state is not `from`.
 */
export type SettlementWait = Defined<
  'settlement.wait',
  {
    readonly settlement: string
    readonly from: SettlementState
    readonly reason: string | null
    readonly nextMs: number | null
    readonly person: boolean
    readonly absences: number
    readonly wallMs: number
  },
  null
>

export type IntentWrite = Defined<'intent.write', { readonly intent: NewIntent; readonly wallMs: number }, null>
/**
 * Only a precondition: refused `conflict` when a request of one of these kinds is out about the settlement. A person's
 * word is given on what was read; a request that was written since then must not be overtaken by it.
 */
export type IntentsNone = Defined<
  'intents.none',
  { readonly settlement: string; readonly kinds: readonly ('pay' | 'query')[] },
  null
>
/** Closes an intent once; refused `exists` when it is closed already (the outcome told again). */
export type IntentClose = Defined<
  'intent.close',
  {
    readonly grant: string
    readonly outcome: string
    /** JSON text of the evidence (CallOutcome without secrets). */
    readonly evidence: string
    readonly journal: number | null
    readonly closedMs: number
    readonly cost: string | null
  },
  { readonly settlement: string; readonly kind: 'pay' | 'query'; readonly number: number }
>

/**
 * Refused `conflict` when a pending transfer was resolved already, `exists` when the id is there. Accounts are made on
 * first use.
 */
export type LedgerTransfer = Defined<
  'ledger.transfer',
  { readonly transfer: NewTransfer; readonly wallMs: number },
  null
>

export interface NewBatch {
  readonly id: string
  /** SHA-256 of the normalised rows: the same file again is the same batch. */
  readonly contentHash: string
  readonly name: string
  readonly channel: string
  readonly payer: string
  readonly rows: number
  readonly totals: Readonly<Record<string, string>>
  readonly actor: string
}
export type BatchOpen = Defined<
  'batch.open',
  { readonly batch: NewBatch; readonly wallMs: number },
  { readonly id: string; readonly created: boolean }
>

export type MoneyCommand =
  | SettlementOpen
  | SettlementMove
  | SettlementWait
  | IntentWrite
  | IntentsNone
  | IntentClose
  | LedgerTransfer
  | BatchOpen
