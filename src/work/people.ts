/** What people make of tasks: cancel, wake, another payload, another life for dead letters, or their end. */
import { canonicalJson, Failure, type Clock } from '../std/std.ts'
import type { Command, DeadMoved, NewAudit, Result, Store } from '../store/store.ts'
import type { DeadSelection, EditAsk, RedriveAnswer } from './port.ts'
import { payloadBytes } from './submit.ts'

export interface PeopleOptions {
  readonly store: Pick<Store, 'transact' | 'read'>
  readonly clock: Clock
}

/** Dead letters moved in one commit. */
const together = 500
/** At most so many in one request; the answer says that there are more. */
export const mostRedriven = 100_000
/** Ids that an answer names. */
const mostNamed = 1_000

const told = (entries: readonly NewAudit[], wallMs: number): Command => ({
  kind: 'audit.append',
  with: { entries, wallMs },
})

const entry = (actor: string, action: string, object: string, facts: NewAudit['facts'] = {}): NewAudit => ({
  actor,
  action,
  object,
  decision: 'done',
  facts,
})

const thrown = (result: Extract<Result<unknown>, { ok: false }>): Failure =>
  new Failure(result.refusal === 'not-found' ? 'not-found' : 'conflict', result.detail)

/** The refusal of a list, if there is one; not that of the commands that were rolled back with it. */
const refusalOf = (results: readonly Result<unknown>[]): Extract<Result<unknown>, { ok: false }> | undefined =>
  results.find(
    (result): result is Extract<Result<unknown>, { ok: false }> => !result.ok && result.refusal !== 'rolled-back',
  )

const redriveCommand = (items: readonly { task: string; untilMs: number | null }[], actor: string, wallMs: number) =>
  ({ kind: 'dead.redrive', with: { items, actor, wallMs } }) as const satisfies Command

const editCommand = (task: string, ask: EditAsk, actor: string, wallMs: number) => {
  const payload = canonicalJson(ask.payload ?? null)
  if (Buffer.byteLength(payload) > payloadBytes)
    throw new Failure('too-large', `a payload may have ${payloadBytes} bytes`)
  const expectVersion = ask.expectVersion ?? null
  return { kind: 'task.edit', with: { task, payload, expectVersion, actor, wallMs } } as const satisfies Command
}

export const moveTask = async (
  { store, clock }: PeopleOptions,
  task: string,
  event: 'cancel' | 'wake',
  actor: string,
): Promise<void> => {
  const wallMs = clock.wallMs()
  const results = await store.transact([
    { kind: 'task.move', with: { task, event: { event }, orNothing: false, wallMs } },
    told([entry(actor, `task.${event}`, task)], wallMs),
  ])
  const refused = refusalOf(results)
  if (refused) throw thrown(refused)
}

/** Another payload, and the next life or the end of waiting, in one commit. */
export const editTask = async (
  { store, clock }: PeopleOptions,
  task: string,
  ask: EditAsk,
  actor: string,
): Promise<{ readonly version: number }> => {
  const wallMs = clock.wallMs()
  const next: Command[] =
    ask.followedBy === 'redrive'
      ? [redriveCommand([{ task, untilMs: null }], actor, wallMs)]
      : ask.followedBy === 'wake'
        ? [{ kind: 'task.move', with: { task, event: { event: 'wake' }, orNothing: false, wallMs } }]
        : []
  const entries = [entry(actor, 'task.edit', task, ask.followedBy === undefined ? {} : { followedBy: ask.followedBy })]
  const [edited, ...others] = await store.transact([
    editCommand(task, ask, actor, wallMs),
    told(entries, wallMs),
    ...next,
  ] as const)
  const refused = refusalOf([edited, ...others])
  if (refused || !edited.ok) throw thrown(refused ?? (edited as Extract<typeof edited, { ok: false }>))
  return edited.value
}

const moved = async (
  { store }: PeopleOptions,
  command: ReturnType<typeof redriveCommand> | Extract<Command, { kind: 'dead.discard' }>,
  facts: NewAudit['facts'],
): Promise<readonly DeadMoved[]> => {
  const { actor, wallMs } = command.with
  const action = command.kind === 'dead.redrive' ? 'task.redrive' : 'task.discard'
  const ids = 'items' in command.with ? command.with.items.map(({ task }) => task) : command.with.tasks
  const entries = ids.map((id) => entry(actor, action, id, facts))
  const [result] = await store.transact([command, told(entries, wallMs)] as const)
  if (!result.ok) throw thrown(result)
  return result.value
}

const one = (answers: readonly DeadMoved[]): void => {
  const [answer] = answers
  if (answer?.outcome === 'not-found') throw new Failure('not-found', `there is no task ${answer.task}`)
  if (answer?.outcome === 'not-dead') throw new Failure('conflict', `task ${answer.task} is no dead letter`)
}

export const redriveOne = async (options: PeopleOptions, task: string, actor: string): Promise<void> => {
  const wallMs = options.clock.wallMs()
  one(await moved(options, redriveCommand([{ task, untilMs: null }], actor, wallMs), {}))
}

export const discardOne = async (options: PeopleOptions, task: string, actor: string): Promise<void> => {
  const wallMs = options.clock.wallMs()
  one(await moved(options, { kind: 'dead.discard', with: { tasks: [task], actor, wallMs } }, {}))
}

/**
 * Redrives what a filter selects, oldest death first. A rate is kept by giving each its own time in the record: it
 * needs nobody who goes on counting, and holds over restarts.
 */
export const redriveSelected = async (
  options: PeopleOptions,
  selection: DeadSelection,
  actor: string,
): Promise<RedriveAnswer> => {
  const { store, clock } = options
  const { filter, ratePerSecond, dryRun } = selection
  const most = Math.min(selection.limit ?? mostRedriven, mostRedriven)
  const fromMs = clock.wallMs()
  const timeOf = (index: number): number | null =>
    ratePerSecond === undefined || index === 0 ? null : fromMs + Math.ceil((index * 1_000) / ratePerSecond)
  const ids: string[] = []
  let count = 0
  let after: string | null = null
  do {
    const page = await store.read.deadLetters(filter, { limit: Math.min(together, most - count), after })
    after = page.next
    const base = count
    const items = page.items.map(({ id }, index) => ({ task: id, untilMs: timeOf(base + index) }))
    const answers: readonly DeadMoved[] =
      dryRun || items.length === 0
        ? items.map(({ task }) => ({ task, outcome: 'done' }))
        : await moved(options, redriveCommand(items, actor, clock.wallMs()), { filter, ratePerSecond })
    // Somebody else may have been quicker with some.
    const done = answers.filter(({ outcome }) => outcome === 'done')
    ids.push(...done.map(({ task }) => task).slice(0, mostNamed - ids.length))
    count += done.length
  } while (after !== null && count < most)
  const lastMs = count === 0 ? null : timeOf(count - 1)
  return { dryRun, count, ids, more: after !== null, lastMs }
}
