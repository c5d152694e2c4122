/**
 * The room's deeds. Before anything is sent, one transaction holds the settlement, its reservation, the exact request
 * and the audit entry; the outcome, the ledger's answer to it and its audit entry are one transaction again. In between
 * the process may die at any point: the next sitter gives the gate the same grant, and the gate's journal knows whether
 * it was spent.
 */
import type { Call, Grant, GrantedRequest } from '../gatelink/gatelink.ts'
import { isSettlementEnd, type Channel } from '../model/model.ts'
import { asFailure, Failure, type Cancel } from '../std/std.ts'
import type { Command, IntentView, NewSettlement, SettlementView } from '../store/store.ts'
import { submitBatch } from './batch.ts'
import { openBooks } from './books.ts'
import { payRequest, queryRequest } from './channels/http.ts'
import { dueCommands, stepCommands, type By } from './commands.ts'
import type { Step } from './decide.ts'
import { afterThaw, wakeFrozen, wakeKept } from './frozen.ts'
import { evidenceOf, keptBack, keptStep, type KeptPayment } from './kept.ts'
import { mustNotBeOut, personStep } from './person.ts'
import type { SettleOptions } from './options.ts'
import { assertPayable, differenceOf, grantOf, openingCommands, providerKey, readAsk } from './opening.ts'
import type {
  BatchAnswer,
  BatchAsk,
  LedgerCheck,
  PersonsWord,
  Settle,
  SettleAsk,
  SettleOutcome,
  SettleSummary,
} from './port.ts'
import { closing, knownOf, orphaned, outcomeOf, paysElsewhere, stepAfter, type Told } from './outcome.ts'
import { standingOf } from './standing.ts'
import { summarise } from './summary.ts'
import { Waiters } from './waiters.ts'

/** Settlements acted on in one turn; the rest follows at once. */
const actSize = 500
const refusedPauseMs = 1_000
const concludeTries = 20
/** A thaw may come without a word. */
const frozenLookMs = 1_000

class SettleRoom implements Settle {
  readonly #options: SettleOptions
  readonly #waiters = new Waiters()
  readonly #books: (extent: 'new' | 'all') => Promise<LedgerCheck>
  #started = false
  #dueMs = Number.POSITIVE_INFINITY
  /** The last thaw that was told, by the wall clock; a request of before it may still be refused by the freeze. */
  #thawedMs = Number.NEGATIVE_INFINITY
  #dueTimer: Cancel | undefined
  #acting = false

  readonly standing: Settle['standing'] = (ask, agent) => standingOf(this.#options, ask, agent)

  constructor(options: SettleOptions) {
    this.#options = options
    this.#books = openBooks(options.store.read)
  }

  start(): void {
    this.#started = true
    this.#armStored()
  }

  #armStored(): void {
    this.#options.store.read.nextSettlementDueMs().then((dueMs) => this.#arm(dueMs), this.#options.failed)
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
    if (this.#options.mayPay?.(agent) === false)
      throw new Failure('not-allowed', `${agent} is a canary, which pays nobody: drills harm it`)
    const { channel, amountMinor } = readAsk(ask, this.#options.channels)
    const there = await this.#options.store.read.settlementByReference(channel.payer, ask.reference)
    if (there !== undefined) return this.#join(there, { ...ask, amountMinor, channel: channel.name })
    assertPayable(ask)
    const settlement = await this.#newSettlement(ask, { agent, channel, amountMinor })
    const opened = await this.#open(settlement, channel, ask.attempt)
    // Another request was faster: now it is there.
    return opened === 'exists' ? this.request(ask, agent) : opened
  }

  async #newSettlement(
    ask: SettleAsk,
    by: { agent: string; channel: Channel; amountMinor: bigint },
  ): Promise<NewSettlement> {
    const { store, newId } = this.#options
    const attempt = await store.read.attempt(ask.attempt)
    const task = attempt === undefined ? undefined : await store.read.task(attempt.task)
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

  /** Writes everything that must be true before the first byte, gives the grant, and waits for the end. */
  async #open(settlement: NewSettlement, channel: Channel, attempt: string): Promise<SettleOutcome | 'exists'> {
    const { store, clock, gatelink, newId } = this.#options
    const wallMs = clock.wallMs()
    const kept = this.#kept(settlement, 'reserved', true)
    const gateId = this.#started && kept === undefined ? gatelink.gateId : null
    const sending = gateId === null ? null : { gateId, grant: newId('grn') }
    const request = payRequest(channel, settlement)
    const results = await store.transact([
      { kind: 'attempt.open', with: { attempt } },
      ...openingCommands(settlement, request, { sending, kept }, wallMs),
    ])
    const refused = results.find((result) => !result.ok && result.refusal !== 'rolled-back')
    if (refused && !refused.ok) {
      if (refused.refusal === 'exists') return 'exists'
      if (refused.refusal === 'stale') throw new Failure('stale', refused.detail)
      throw new Failure(
        refused.refusal === 'exists-with-different' ? 'settlement-exists-with-different' : 'conflict',
        refused.detail,
      )
    }
    const outcome = this.#waiters.wait(settlement.id, attempt)
    if (sending !== null) this.#send([grantOf(sending.grant, settlement, request)])
    else if (kept === undefined) this.#arm(wallMs)
    else this.#waits((await store.read.settlement(settlement.id))!)
    return outcome
  }

  /** What a mode makes of the next request of a payment. */
  #kept({ agent, channel }: NewSettlement, state: string, pays: boolean): KeptPayment | undefined {
    const { modeOf, clock } = this.#options
    const held = modeOf?.({ agent, channel })
    return held && keptBack(held, { pays, state, nowMs: clock.wallMs() })
  }

  #waits(settlement: SettlementView): void {
    this.#arm(settlement.nextMs)
    if (isSettlementEnd(settlement.state) || settlement.person)
      this.#waiters.answer(settlement.id, outcomeOf(settlement))
  }

  /** The same reference again: the settlement that is there, when the parameters are the same. */
  async #join(
    there: SettlementView,
    ask: SettleAsk & { amountMinor: bigint; channel: string },
  ): Promise<SettleOutcome> {
    const field = differenceOf(there, ask)
    if (field !== undefined) {
      throw new Failure(
        'settlement-exists-with-different',
        `${there.reference} exists as ${there.id} with another ${field}`,
      )
    }
    // First wait, then look: what ends in between answers the wait, what had ended before is seen.
    const outcome = this.#waiters.wait(there.id, ask.attempt)
    const now = (await this.#options.store.read.settlement(there.id))!
    if (isSettlementEnd(now.state) || now.person) this.#waiters.answer(now.id, outcomeOf(now))
    return outcome
  }

  #send(grants: readonly Grant[]): void {
    // A link that is down takes nothing; `linked` gives every open intent again.
    if (grants.length > 0) this.#options.gatelink.grant(grants)
  }

  /** The gate that is linked at this moment: by now it may be another one than before. */
  #linkedNow(): void {
    const { gateId } = this.#options.gatelink
    if (gateId !== null) this.linked(gateId)
  }

  /**
   * A record that takes nothing just now (a full disk, too many writes) is tried again; any other failure is the end.
   */
  #later(error: unknown, again: () => void): void {
    const { clock, failed } = this.#options
    if (asFailure(error).kind !== 'transient') failed(error)
    else if (this.#started) clock.timer(refusedPauseMs, again)
  }

  /** The gate is there (again): open intents are given to it once more; those of a lost journal are unknown. */
  linked(gateId: string): void {
    this.#relink(gateId).catch((error: unknown) => this.#later(error, () => this.#linkedNow()))
  }

  thawed(): void {
    this.#thawedMs = this.#options.clock.wallMs()
    this.#goOn(wakeFrozen)
  }

  remoded(): void {
    this.#goOn(wakeKept)
  }

  #goOn(wake: (waking: SettleOptions) => Promise<void>): void {
    const again = (error: unknown): void => this.#later(error, () => this.#goOn(wake))
    wake(this.#options).then(() => this.#armStored(), again)
  }

  async #relink(gateId: string): Promise<void> {
    const { store, clock } = this.#options
    let after: string | null = null
    for (;;) {
      const open = await store.read.openIntents(actSize, after)
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
      const own = open.filter((one) => one.gateId === gateId)
      const again = own.map(async ({ grant, settlement, request }) =>
        grantOf(grant, (await store.read.settlement(settlement))!, JSON.parse(request) as GrantedRequest),
      )
      this.#send(await Promise.all(again))
      if (open.length < actSize) break
      after = open.at(-1)!.grant
    }
    this.#arm(await store.read.nextSettlementDueMs())
  }

  async call(call: Call): Promise<void> {
    const intent = await this.#options.store.read.intentByGrant(call.grant)
    // Told again after it was closed, or a grant of a record that was begun anew: nothing to do but to acknowledge.
    if (intent === undefined || intent.outcome !== null) return
    await this.#conclude(intent, call)
  }

  /**
   * Closes an intent and takes the step that follows from its outcome, in one transaction. A person or another turn may
   * move the settlement meanwhile: then it is looked at again, and what is closed already needs nothing.
   */
  async #conclude(intent: IntentView, told: Told): Promise<void> {
    const { store, clock, random, channels, heard } = this.#options
    const evidence = evidenceOf(told.outcome)
    const outcome = afterThaw(told.outcome, intent, this.#thawedMs)
    for (let tries = 0; tries < concludeTries; tries += 1) {
      const settlement = (await store.read.settlement(intent.settlement))!
      if (evidence !== undefined && tries === 0) heard?.(settlement.channel, evidence)
      const stamp = clock.stamp()
      const nowMs = stamp.wallMs
      const close = closing(intent, told, stamp)
      if (isSettlementEnd(settlement.state)) {
        await store.transact([close])
        return
      }
      const channel = channels[settlement.channel]
      const known = knownOf(settlement, await store.read.intents(settlement.id), stamp)
      const step =
        channel === undefined
          ? orphaned(settlement.channel)
          : stepAfter(intent.kind, { settlement, known, outcome, channel, nowMs, random })
      if (await this.#take(settlement, step, { actor: 'sitter', why: told.outcome.kind }, [close])) return
      const now = await store.read.intentByGrant(intent.grant)
      if (now?.outcome !== null) return
    }
    throw new Failure('bug', `the outcome of ${intent.grant} could not be written in ${concludeTries} tries`)
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
    this.#waits((await store.read.settlement(settlement.id))!)
    return true
  }

  #arm(nextMs: number | null): void {
    if (nextMs === null || !this.#started || nextMs >= this.#dueMs) return
    const { clock } = this.#options
    this.#dueTimer?.()
    this.#dueMs = nextMs
    this.#dueTimer = clock.timer(Math.max(0, nextMs - clock.wallMs()), () => {
      this.#dueMs = Number.POSITIVE_INFINITY
      this.#act().catch((error: unknown) => this.#later(error, () => this.#arm(clock.wallMs())))
    })
  }

  /** Acts on every settlement whose time has come: sends, sends again, or asks. */
  async #act(): Promise<void> {
    const { gatelink, store, clock, frozen } = this.#options
    // Without a gate nothing can be done; `linked` arms the timer again.
    if (this.#acting || !this.#started || gatelink.gateId === null) return
    if (frozen()) return this.#arm(clock.wallMs() + frozenLookMs)
    this.#acting = true
    let pauseMs = 0
    try {
      const due = await store.read.settlementsDue(clock.wallMs(), actSize)
      const { gateId } = gatelink
      const acts = await Promise.allSettled(due.map((settlement) => this.#actOn(settlement, gateId)))
      const sent = acts.flatMap((act) => (act.status === 'fulfilled' && act.value !== undefined ? [act.value] : []))
      // What is written is sent, though the record did not take another one: its intent would lie open and unsent.
      this.#send(sent)
      const failed = acts.find((act) => act.status === 'rejected')
      if (failed) throw failed.reason
      // What could not be acted on is still due: without a pause the timer would spin on it.
      pauseMs = sent.length < due.length ? refusedPauseMs : 0
    } finally {
      this.#acting = false
    }
    const nextMs = await store.read.nextSettlementDueMs()
    this.#arm(nextMs === null ? null : Math.max(nextMs, clock.wallMs() + pauseMs))
  }

  async #actOn(settlement: SettlementView, gateId: string): Promise<Grant | undefined> {
    const { store, clock, channels, newId } = this.#options
    const channel = channels[settlement.channel]
    const pays = settlement.state === 'reserved' || channel?.resolve?.by === 'resend-same-key'
    const request = channel && (pays ? payRequest(channel, settlement) : queryRequest(channel, settlement))
    const intents = await store.read.intents(settlement.id)
    if (request === undefined || paysElsewhere(settlement, intents, channel)) {
      await this.#take(settlement, orphaned(settlement.channel), { actor: 'sitter', why: 'config' })
      return undefined
    }
    const kept = this.#kept(settlement, settlement.state, pays)
    if (kept !== undefined) {
      await this.#take(settlement, keptStep(kept, settlement.absences), { actor: 'sitter', why: 'mode' })
      return undefined
    }
    const grant = grantOf(newId('grn'), settlement, request)
    const number = intents.length + 1
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

  async decide(id: string, word: PersonsWord, actor: string): Promise<void> {
    const { read } = this.#options.store
    const settlement = await read.settlement(id)
    if (settlement === undefined) throw new Failure('not-found', `there is no settlement ${id}`)
    const nowMs = this.#options.clock.wallMs()
    const step = personStep(settlement, await read.intents(id), word, { actor, nowMs })
    // What was read may be old: a request that was written meanwhile refuses all of it.
    const none: Command = { kind: 'intents.none', with: { settlement: id, kinds: mustNotBeOut(word) } }
    const taken = await this.#take(settlement, step, { actor, why: word.why.slice(0, 500) }, [none])
    if (!taken) throw new Failure('conflict', `${id} has changed meanwhile; look again`)
  }

  ledgerCheck(extent: 'new' | 'all'): Promise<LedgerCheck> {
    return this.#books(extent)
  }

  summary(): Promise<SettleSummary> {
    return summarise(this.#options.store.read)
  }
}

/** Opens the room; nothing is sent before `start` and a linked gate. */
export const openSettle = (options: SettleOptions): Settle => new SettleRoom(options)
