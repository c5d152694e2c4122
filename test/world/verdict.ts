/**
 * What must hold at the end, after everything healed: judged by the bank's log, the client's answers and the hosts' own
 * history against the record as it stands.
 */
import { attemptId, isSettlementEnd, isTaskEnd } from '../../src/model/model.ts'
import { verifyAudit } from '../../src/record/record.ts'
import type { AttemptView, Page, PageAsk, SettlementView, TaskView } from '../../src/store/store.ts'
import { bankLimit } from './gate.ts'
import type { World } from './world.ts'

const all = async <Item>(page: (ask: PageAsk) => Promise<Page<Item>>): Promise<Item[]> => {
  const items: Item[] = []
  for (let after: string | null = null; ;) {
    const { items: some, next }: Page<Item> = await page({ limit: 1_000, after })
    items.push(...some)
    if (next === null) return items
    after = next
  }
}

interface Rows {
  readonly tasks: readonly TaskView[]
  readonly attempts: readonly AttemptView[]
  readonly settlements: readonly SettlementView[]
}

/** Every task that was answered is there once and has ended; a result is that of the newest attempt. */
const judgeTasks = (world: World, { tasks, attempts }: Rows): void => {
  const byId = new Map(tasks.map((task) => [task.id, task]))
  const keys = tasks.map(({ key }) => key)
  if (new Set(keys).size !== keys.length) world.violated('a key has two tasks')
  for (const [key, id] of world.client.acked)
    if (byId.get(id)?.key !== key) world.violated(`task ${id} of key ${key} was answered and is not there`)
  for (const key of world.client.unanswered) world.violated(`key ${key} was never answered`)
  for (const task of tasks) {
    const { state } = task.state
    if (!isTaskEnd(state)) world.violated(`task ${task.id} (${task.type}) is ${state} and does not end`)
    if (state !== 'succeeded') continue
    const { by } = JSON.parse(task.result ?? '{}') as { by?: string }
    if (by !== attemptId(task.id, task.fence))
      world.violated(`task ${task.id} has the result of ${by}, its newest attempt is number ${task.fence}`)
  }
  const outcomes = new Map(attempts.map((one) => [one.id, one]))
  for (const [id, agent] of world.machine.history.done) {
    const there = outcomes.get(id)
    if (there?.outcome !== 'succeeded' || there.agent !== agent)
      world.violated(`${agent} was told that ${id} is done; the record has ${there?.outcome ?? 'nothing'}`)
  }
  const running = attempts.filter(({ outcome }) => outcome === null)
  for (const { id } of running) world.violated(`${id} never ended`)
}

/** What the bank took and what the record says are the same, payment by payment. */
const judgeMoney = (world: World, { settlements }: Rows): void => {
  const known = new Set(settlements.map(({ providerKey }) => providerKey))
  for (const [key] of world.provider.keys)
    if (!known.has(key)) world.violated(`the bank has a payment ${key} that the record does not know`)
  for (const { id, reference, state, providerKey, person } of settlements) {
    if (!isSettlementEnd(state)) world.violated(`settlement ${reference} is ${state}${person ? ', for a person' : ''}`)
    const taken = world.provider.paymentsOf(providerKey)
    const paid = taken.filter(({ status }) => status !== 'declined')
    if (paid.length > 1) world.violated(`${reference} was paid ${paid.length} times`)
    if ((state === 'settled') !== (paid.length === 1))
      world.violated(`settlement ${id} of ${reference} is ${state}, the bank took it ${paid.length} times`)
    if (state === 'rejected' && taken.length === 0) world.violated(`${reference} is rejected; the bank never saw it`)
  }
}

/** The counts that are kept beside the rows are those of the rows. */
const judgeCounts = async (world: World, { tasks, attempts, settlements }: Rows): Promise<void> => {
  const { read } = world.sitter!.store
  const count = (names: readonly string[]): ReadonlyMap<string, number> => {
    const counts = new Map<string, number>()
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
    return counts
  }
  const compare = (what: string, kept: readonly (readonly [string, number])[], rows: readonly string[]): void => {
    const found = count(rows)
    const told = new Map(kept.filter(([, number]) => number !== 0))
    const names = new Set([...found.keys(), ...told.keys()])
    for (const name of names) {
      if (found.get(name) !== told.get(name))
        world.violated(`${what} ${name}: ${told.get(name) ?? 0} counted, ${found.get(name) ?? 0} there`)
    }
  }
  compare(
    'tasks',
    (await read.taskCounts()).map((one) => [`${one.type} ${one.state}`, one.count] as const),
    tasks.map((task) => `${task.type} ${task.state.state}`),
  )
  compare(
    'attempts',
    (await read.attemptCounts()).map((one) => [one.outcome, one.count] as const),
    attempts.map(({ outcome }) => outcome ?? 'running'),
  )
  compare(
    'parts',
    (await read.partialCounts()).map((one) => [one.type, one.count] as const),
    attempts.flatMap(({ error, task }) =>
      error?.partial === undefined ? [] : [tasks.find(({ id }) => id === task)!.type],
    ),
  )
  const byState = new Map<string, number>()
  for (const one of await read.settlementCounts()) byState.set(one.state, (byState.get(one.state) ?? 0) + one.count)
  compare(
    'settlements',
    [...byState],
    settlements.map(({ state }) => state),
  )
}

/** No window of the bank's limit saw more than its rate. */
const judgeLimit = (world: World): void => {
  const { count, windowMs } = bankLimit.rate
  const { begun } = world.provider
  for (let at = count; at < begun.length; at += 1) {
    if (begun[at]! - begun[at - count]! >= windowMs) continue
    return world.violated(`the bank saw more than ${count} requests within ${windowMs} ms`)
  }
}

export const judge = async (world: World): Promise<void> => {
  const { sitter } = world
  if (sitter?.ready !== true) return world.violated('after the healing there is no sitter')
  const { read } = sitter.store
  const rows: Rows = {
    tasks: await all((ask) => read.tasks({}, ask)),
    attempts: await all((ask) => read.attemptsPage(ask)),
    settlements: await all((ask) => read.settlements({}, ask)),
  }
  for (const { id, state, reason } of sitter.fleet.list())
    if (state !== 'idle') world.violated(`after the healing ${id} is ${state}: ${reason}`)
  judgeTasks(world, rows)
  judgeMoney(world, rows)
  await judgeCounts(world, rows)
  judgeLimit(world)
  const books = await sitter.settle.ledgerCheck('all')
  for (const fault of books.faults) world.violated(`the ledger: ${fault}`)
  const head = await read.auditHead()
  for (const anchor of [undefined, ...world.watching.anchors.slice(0, 3), world.watching.anchors.at(-1)]) {
    const { ok, why } = await verifyAudit(read, anchor)
    if (!ok) world.violated(`the audit chain: ${why}`)
  }
  world.log(`audit ${head.seq} ${head.hash}`)
}
