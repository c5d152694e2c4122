/**
 * What goes to the thread that writes, as one row of plain values: objects with names are copied from thread to thread
 * name by name, which was three times as dear for the loop, and four times for the thread.
 */
import type { Hot } from './hot.ts'
import type { CallEnd, CallSpent, LimitRow, NewCall, SpentIn } from './rows.ts'

export interface Batch {
  readonly writes: readonly Hot[]
  readonly limits: readonly LimitRow[]
}

type Value = string | number | bigint | null
export type Parcel = readonly Value[]

const isAbsent = -1

const putCall = (to: Value[], call: NewCall): void => {
  to.push(call.grant, call.subject, call.agent, call.cell, call.upstream, call.method, call.path, call.hash)
  to.push(call.credential, call.version, call.epoch, call.begunMs, call.waitedMs, call.host, call.decision)
  to.push(call.reserved, call.key ?? null, call.account ?? null, call.members?.length ?? isAbsent)
  if (call.members !== undefined) for (const member of call.members) to.push(member)
}

const putSpent = (to: Value[], spent: CallSpent): void => {
  to.push(spent.agent, spent.upstream, spent.currency, spent.atMs, spent.endedMs, spent.known, spent.counted)
  for (const { budget, owner, windowMs, endsMs, warnAt, most } of spent.places)
    to.push(budget, owner, windowMs, endsMs, warnAt, most)
}

const putEnd = (to: Value[], { ended, status, outcome, sentMs, tookMs, cost, spent }: CallEnd): void => {
  to.push(ended, status, outcome, sentMs, tookMs, cost, spent?.places.length ?? isAbsent)
  if (spent) putSpent(to, spent)
}

const put = (to: Value[], hot: Hot): void => {
  to.push(hot.do)
  if (hot.do === 'ack') {
    to.push(hot.journals.length)
    for (const journal of hot.journals) to.push(journal)
    return
  }
  if (hot.do === 'end') to.push(hot.journal)
  else putCall(to, hot.call)
  if (hot.do !== 'begin') putEnd(to, hot.end)
}

export const packed = ({ writes, limits }: Batch): Parcel => {
  const to: Value[] = [writes.length]
  for (const hot of writes) put(to, hot)
  for (const { name, aheadMs, pauseMs, strikes, wallMs, monoMs, bootId } of limits)
    to.push(name, aheadMs, pauseMs, strikes, wallMs, monoMs, bootId)
  return to
}

/** Takes value after value. A name that is missing here does not compile, so what is missing above is found, too. */
class Taking {
  readonly #values: Parcel
  #at = 0

  constructor(values: Parcel) {
    this.#values = values
  }

  get isAtEnd(): boolean {
    return this.#at === this.#values.length
  }

  take<Taken>(): Taken {
    return this.#values[this.#at++] as Taken
  }

  many<Taken>(count: number, one: () => Taken): readonly Taken[] {
    return Array.from({ length: count }, one)
  }

  call(): NewCall {
    const call: Required<Omit<NewCall, 'members'>> = {
      grant: this.take(),
      subject: this.take(),
      agent: this.take(),
      cell: this.take(),
      upstream: this.take(),
      method: this.take(),
      path: this.take(),
      hash: this.take(),
      credential: this.take(),
      version: this.take(),
      epoch: this.take(),
      begunMs: this.take(),
      waitedMs: this.take(),
      host: this.take(),
      decision: this.take(),
      reserved: this.take(),
      key: this.take(),
      account: this.take(),
    }
    const members = this.take<number>()
    return members === isAbsent ? call : { ...call, members: this.many<string>(members, () => this.take()) }
  }

  end(): CallEnd {
    const end: Required<Omit<CallEnd, 'spent'>> = {
      ended: this.take(),
      status: this.take(),
      outcome: this.take(),
      sentMs: this.take(),
      tookMs: this.take(),
      cost: this.take(),
    }
    const places = this.take<number>()
    return places === isAbsent ? end : { ...end, spent: this.#spent(places) }
  }

  limit(): LimitRow {
    return {
      name: this.take(),
      aheadMs: this.take(),
      pauseMs: this.take(),
      strikes: this.take(),
      wallMs: this.take(),
      monoMs: this.take(),
      bootId: this.take(),
    }
  }

  #spent(places: number): CallSpent {
    const spent: Omit<CallSpent, 'places'> = {
      agent: this.take(),
      upstream: this.take(),
      currency: this.take(),
      atMs: this.take(),
      endedMs: this.take(),
      known: this.take(),
      counted: this.take(),
    }
    return { ...spent, places: this.many(places, () => this.#place()) }
  }

  #place(): SpentIn {
    return {
      budget: this.take(),
      owner: this.take(),
      windowMs: this.take(),
      endsMs: this.take(),
      warnAt: this.take(),
      most: this.take(),
    }
  }
}

const takeHot = (from: Taking): Hot => {
  const what = from.take<Hot['do']>()
  switch (what) {
    case 'begin':
      return { do: what, call: from.call() }
    case 'end':
      return { do: what, journal: from.take(), end: from.end() }
    case 'refuse':
      return { do: what, call: from.call(), end: from.end() }
    case 'ack':
      return { do: what, journals: from.many<number>(from.take(), () => from.take()) }
  }
}

export const unpacked = (parcel: Parcel): Batch => {
  const from = new Taking(parcel)
  const writes = from.many(from.take(), () => takeHot(from))
  const limits: LimitRow[] = []
  while (!from.isAtEnd) limits.push(from.limit())
  return { writes, limits }
}
