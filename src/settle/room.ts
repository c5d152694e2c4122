/**
 * The room's deeds. Before anything is sent, one transaction holds the settlement, its reservation, the exact request
 * and the audit entry; the outcome, the ledger's answer to it and its audit entry are one transaction again. In between
 * the process may die at any point: the next sitter gives the gate the same grant, and the gate's journal knows whether
 * it was spent.
 */
import type { Call, GateLink, Grant, GrantedRequest } from '../gatelink/gatelink.ts'
import { isSettlementEnd, type Channel, type TaskType } from '../model/model.ts'
import { Failure, type Cancel, type Clock, type NewId, type Random } from '../std/std.ts'
import type { Command, IntentView, NewSettlement, SettlementView, Store } from '../store/store.ts'
import type { Work } from '../work/work.ts'
import { submitBatch } from './batch.ts'
import { payRequest, queryRequest, readPay, readQuery } from './channels/http.ts'
import { dueCommands, stepCommands, type By } from './commands.ts'
import { afterPay, afterQuery, type Known, type Step } from './decide.ts'
import { checkBooks, Fold, foldOn } from './ledger.ts'
import { grantOf, openingCommands, providerKey, readAsk } from './opening.ts'
import type { BatchAnswer, BatchAsk, LedgerCheck, Settle, SettleAsk, SettleOutcome, SettleSummary } from './port.ts'
import { summarise } from './summary.ts'
import { Waiters } from './waiters.ts'

export interface SettleOptions {
  readonly channels: Readonly<Record<string, Channel>>
  readonly tasks: Readonly<Record<string, TaskType>>
  readonly store: Store
  readonly work: Pick<Work, 'submit'>
  readonly gatelink: Pick<GateLink, 'gateId' | 'grant'>
  readonly clock: Clock
  readonly random: Random
  readonly newId: NewId
  /** The record refused what it should not, or is lost: the assembly stops the process. */
  failed(error: unknown): void
}

/** Settlements acted on in one turn; the rest follows at once. */
const actSize = 500
const refusedPauseMs = 1_000

class SettleRoom implements Settle {
  readonly #options: SettleOptions
  readonly #waiters = new Waiters()
  #fold = new Fold()
  #started = false
  #dueMs = Number.POSITIVE_INFINITY
  #dueTimer: Cancel | undefined
  #acting = false

  constructor(options: SettleOptions) {
    this.#options = options
  }

  start(): void {
    this.#started = true
    this.#arm(this.#options.store.read.nextSettlementDueMs())
  }

  async stop(): Promise<void> {
    this.#started = false
    this.#dueTimer?.()
  }

  batch(file: BatchAsk): Promise<BatchAnswer> {
    const { channels, tasks, store, work, clock, newId } = this.#options
    return submitBatch({ channels, tasks, read: store.read, work, clock, newId }, file)
  }

  forget(attempts: readonly string[]): void {
    for (const attempt of attempts) this.#waiters.forget(attempt)
  }

  waitsOutside(attempt: string): boolean {
    return this.#waiters.has(attempt)
  }

  async request(ask: SettleAsk, agent: string): Promise<SettleOutcome> {
    const { channel, amountMinor } = readAsk(ask, this.#options.channels)
    const there = this.#options.store.read.settlementByReference(channel.payer, ask.reference)
    if (there !== undefined) return this.#join(there, { ...ask, amountMinor, channel: channel.name })
    const opened = await this.#open(this.#newSettlement(ask, { agent, channel, amountMinor }), channel)
    // Another request was faster: now it is there.
    return opened === 'exists' ? this.request(ask, agent) : this.#waiters.wait(opened, ask.attempt)
  }

  #newSettlement(ask: SettleAsk, by: { agent: string; channel: Channel; amountMinor: bigint }): NewSettlement {
    const { store, newId } = this.#options
    const attempt = store.read.attempt(ask.attempt)
    const task = attempt === undefined ? undefined : store.read.task(attempt.task)
    return {
      id: newId('set'),
      payer: by.channel.payer,
      reference: ask.reference,
      payee: ask.payee,
      amountMinor: by.amountMinor,
      currency: ask.currency,
      channel: by.channel.name,
      memo: ask.memo ?? null,
      providerKey: providerKey(by.channel.payer, ask.reference),
      batch: task?.batch ?? null,
      task: task?.id ?? null,
      agent: by.agent,
    }
  }

  /** Writes everything that must be true before the first byte, then gives the grant. */
  async #open(settlement: NewSettlement, channel: Channel): Promise<string> {
    const { store, clock, gatelink, newId } = this.#options
    const wallMs = clock.wallMs()
    const gateId = this.#started ? gatelink.gateId : null
    const sending = gateId === null ? null : { gateId, grant: newId('grn') }
    const request = payRequest(channel, settlement)
    const results = await store.transact(openingCommands(settlement, request, sending, wallMs))
    const refused = results.find((result) => !result.ok && result.refusal !== 'rolled-back')
    if (refused && !refused.ok) {
      if (refused.refusal === 'exists') return 'exists'
      throw new Failure(
        refused.refusal === 'exists-with-different' ? 'settlement-exists-with-different' : 'conflict',
        refused.detail,
      )
    }
    if (sending === null) this.#arm(wallMs)
    else this.#send([grantOf(sending.grant, settlement.id, settlement.agent, request)])
    return settlement.id
  }

  /** The same reference again: the settlement that is there, when the parameters are the same. */
  #join(there: SettlementView, ask: SettleAsk & { amountMinor: bigint; channel: string }): Promise<SettleOutcome> {
    const field =
      there.payee !== ask.payee
        ? 'payee'
        : there.amountMinor !== ask.amountMinor
          ? 'amount'
          : there.currency !== ask.currency
            ? 'currency'
            : there.channel !== ask.channel
              ? 'channel'
              : undefined
    if (field !== undefined) {
      throw new Failure(
        'settlement-exists-with-different',
        `${there.reference} exists as ${there.id} with another ${field}`,
      )
    }
    if (isSettlementEnd(there.state) || there.person) return Promise.resolve(outcomeOf(there))
    return this.#waiters.wait(there.id, ask.attempt)
  }

  #send(grants: readonly Grant[]): void {
    // A link that is down takes nothing; `linked` gives every open intent again.
    if (grants.length > 0) this.#options.gatelink.grant(grants)
  }

  /** The gate is there (again): open intents are given to it once more; those of a lost journal are unknown. */
  linked(gateId: string): void {
    this.#relink(gateId).catch(this.#options.failed)
  }

  async #relink(gateId: string): Promise<void> {
    const { store, clock } = this.#options
    let after: string | null = null
    for (;;) {
      const open = store.read.openIntents(actSize, after)
      for (const intent of open.filter((one) => one.gateId !== gateId)) {
        const nowMs = clock.wallMs()
        await this.#conclude(intent, {
          journal: null,
          cost: null,
          outcome: {
            kind: 'lost',
            code: 'outcome-unknown',
            message: 'the journal of the gate that had this request is gone',
            closedMs: nowMs,
          },
        })
      }
      this.#send(
        open
          .filter((one) => one.gateId === gateId)
          .map((intent) =>
            grantOf(intent.grant, intent.settlement, null, JSON.parse(intent.request) as GrantedRequest),
          ),
      )
      if (open.length < actSize) break
      after = open.at(-1)!.grant
    }
    this.#arm(store.read.nextSettlementDueMs())
  }

  async call(call: Call): Promise<void> {
    const intent = this.#options.store.read.intentByGrant(call.grant)
    // Told again after it was closed, or a grant of a record that was begun anew: nothing to do but to acknowledge.
    if (intent === undefined || intent.outcome !== null) return
    await this.#conclude(intent, call)
  }

  /** Closes an intent and takes the step that follows from its outcome, in one transaction. */
  async #conclude(
    intent: IntentView,
    call: Pick<Call, 'outcome' | 'cost'> & { readonly journal: number | null },
  ): Promise<void> {
    const { store, clock, random, channels } = this.#options
    const settlement = store.read.settlement(intent.settlement)!
    const channel = channels[settlement.channel]
    const nowMs = clock.wallMs()
    const evidence = JSON.stringify(call.outcome)
    const close: Command = {
      kind: 'intent.close',
      with: {
        grant: intent.grant,
        outcome: call.outcome.kind === 'answered' ? `answered ${call.outcome.status}` : call.outcome.kind,
        evidence,
        journal: call.journal,
        closedMs: nowMs,
        cost: call.cost,
      },
    }
    if (isSettlementEnd(settlement.state)) {
      await store.transact([close])
      return
    }
    const known = this.#known(settlement)
    const step =
      channel === undefined
        ? orphaned(settlement.channel)
        : decide(intent.kind, { settlement, known, outcome: call.outcome, channel, nowMs, random })
    await this.#take(settlement, step, { actor: 'sitter', why: call.outcome.kind }, [close])
  }

  #known(settlement: SettlementView): Known {
    const intents = this.#options.store.read.intents(settlement.id)
    const pays = intents.filter((intent) => intent.kind === 'pay')
    const evidence = pays.at(-1)?.evidence
    const closed =
      evidence === null || evidence === undefined ? undefined : (JSON.parse(evidence) as { closedMs?: number }).closedMs
    const asked = intents.length - 1 - intents.findLastIndex((intent) => intent.kind === 'pay')
    return {
      state: settlement.state,
      tries: settlement.tries,
      absences: settlement.absences,
      asked,
      closedMs: closed ?? pays.at(-1)?.closedMs ?? null,
    }
  }

  /**
   * Takes a step with everything that belongs to it; a refusal means that another turn was faster, and changes nothing.
   */
  async #take(settlement: SettlementView, step: Step, by: By, before: readonly Command[] = []): Promise<boolean> {
    const { store, clock } = this.#options
    const wallMs = clock.wallMs()
    const results = await store.transact([...before, ...stepCommands(settlement, step, by, wallMs)])
    if (results.some((result) => !result.ok)) return false
    this.#arm(step.nextMs)
    const after = store.read.settlement(settlement.id)!
    if (isSettlementEnd(after.state) || after.person) this.#waiters.answer(after.id, outcomeOf(after))
    return true
  }

  #arm(nextMs: number | null): void {
    if (nextMs === null || !this.#started || nextMs >= this.#dueMs) return
    const { clock, failed } = this.#options
    this.#dueTimer?.()
    this.#dueMs = nextMs
    this.#dueTimer = clock.timer(Math.max(0, nextMs - clock.wallMs()), () => {
      this.#dueMs = Number.POSITIVE_INFINITY
      this.#act().catch(failed)
    })
  }

  /** Acts on every settlement whose time has come: sends, sends again, or asks. */
  async #act(): Promise<void> {
    const { gatelink, store, clock } = this.#options
    // Without a gate nothing can be done; `linked` arms the timer again.
    if (this.#acting || !this.#started || gatelink.gateId === null) return
    this.#acting = true
    let pauseMs = 0
    try {
      const due = store.read.settlementsDue(clock.wallMs(), actSize)
      const grants = await Promise.all(due.map((settlement) => this.#actOn(settlement, gatelink.gateId!)))
      const sent = grants.filter((grant) => grant !== undefined)
      this.#send(sent)
      // What could not be acted on is still due: without a pause the timer would spin on it.
      pauseMs = sent.length < due.length ? refusedPauseMs : 0
    } finally {
      this.#acting = false
    }
    const nextMs = store.read.nextSettlementDueMs()
    this.#arm(nextMs === null ? null : Math.max(nextMs, clock.wallMs() + pauseMs))
  }

  async #actOn(settlement: SettlementView, gateId: string): Promise<Grant | undefined> {
    const { store, clock, channels, newId } = this.#options
    const channel = channels[settlement.channel]
    const pays = settlement.state === 'reserved' || channel?.resolve?.by === 'resend-same-key'
    const request = channel && (pays ? payRequest(channel, settlement) : queryRequest(channel, settlement))
    if (request === undefined) {
      await this.#take(settlement, orphaned(settlement.channel), { actor: 'sitter', why: 'config' })
      return undefined
    }
    const grant = grantOf(newId('grn'), settlement.id, settlement.agent, request)
    const number = store.read.intents(settlement.id).length + 1
    const results = await store.transact(
      dueCommands(
        {
          settlement,
          number,
          gateId,
          grant: grant.grant,
          kind: pays ? 'pay' : 'query',
          request: JSON.stringify(request),
          hash: grant.hash,
        },
        clock.wallMs(),
      ),
    )
    return results.every((result) => result.ok) ? grant : undefined
  }

  async resolve(id: string, as: 'settled' | 'absent', evidence: string, actor: string): Promise<void> {
    const settlement = this.#options.store.read.settlement(id)
    if (settlement === undefined) throw new Failure('not-found', `there is no settlement ${id}`)
    if (settlement.state !== 'unknown' && settlement.state !== 'accepted') {
      throw new Failure(
        'conflict',
        `${id} is ${settlement.state}: only an unknown or accepted one can be resolved by a person`,
      )
    }
    if (as === 'absent' && settlement.state === 'accepted') {
      throw new Failure('conflict', `${id} was accepted by the provider: it cannot be declared absent`)
    }
    if (this.#options.store.read.intents(id).some((intent) => intent.kind === 'pay' && intent.outcome === null)) {
      throw new Failure('conflict', `${id} has a payment request under way: wait for its outcome`)
    }
    const reason = `resolved as ${as} by ${actor}: ${evidence}`.slice(0, 500)
    const rest = { reason, person: false, absences: 0, providerReference: null }
    const step: Step =
      as === 'settled'
        ? { ...rest, event: 'settle', ledger: 'post', nextMs: null }
        : { ...rest, event: 'absent', ledger: null, nextMs: this.#options.clock.wallMs() }
    const taken = await this.#take(settlement, step, { actor, why: evidence.slice(0, 500) })
    if (!taken) throw new Failure('conflict', `${id} has changed meanwhile; look again`)
  }

  ledgerCheck(extent: 'new' | 'all'): LedgerCheck {
    const { read } = this.#options.store
    const fold = extent === 'all' ? new Fold() : this.#fold
    foldOn(fold, read)
    if (extent === 'all') this.#fold = fold
    const books = checkBooks(fold, read.accounts())
    if (extent === 'new') return books
    const faults = [
      ...books.faults,
      ...read
        .ledgerDisagreements(20)
        .map((one) => `settlement ${one.settlement} is ${one.state} but has the transfers ${one.transfers || 'none'}`),
    ]
    return { ...books, faults, ok: faults.length === 0 }
  }

  summary(): SettleSummary {
    return summarise(this.#options.store.read)
  }
}

interface Concluding {
  readonly settlement: SettlementView
  readonly known: Known
  readonly outcome: Call['outcome']
  readonly channel: Channel
  readonly nowMs: number
  readonly random: Random
}

const decide = (kind: IntentView['kind'], { settlement, known, outcome, ...at }: Concluding): Step =>
  kind === 'pay'
    ? afterPay(known, readPay(at.channel, outcome, at.nowMs), at)
    : afterQuery(known, readQuery(outcome, settlement), at)

const outcomeOf = (settlement: SettlementView): SettleOutcome => ({
  settlement: settlement.id,
  // What waits for a person is unknown to the agent, whatever its state is called here.
  state: settlement.person && !isSettlementEnd(settlement.state) ? 'unknown' : settlement.state,
  ...(settlement.reason === null ? {} : { reason: settlement.reason }),
  ...(settlement.providerReference === null ? {} : { providerReference: settlement.providerReference }),
})

/**
 * The channel left the config, or its way to ask, while settlements were open: nothing is guessed, a person decides.
 */
const orphaned = (channel: string): Step => ({
  event: null,
  ledger: null,
  reason: `the config has no channel ${channel} any more, or no way to ask it`,
  nextMs: null,
  person: true,
  absences: 0,
  providerReference: null,
})

/** Opens the room; nothing is sent before `start` and a linked gate. */
export const openSettle = (options: SettleOptions): Settle => new SettleRoom(options)
