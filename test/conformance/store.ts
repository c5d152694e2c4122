/**
 * The suite that every engine of the record runs: what commands do, seen through queries and through a second opening
 * of the same record.
 */
import { expect, test } from 'vitest'
import type { Command, EventFilter, Store } from '../../src/store/store.ts'
import { claim, owner, slot, submit, succeed, task } from './samples.ts'
import { modesSuite } from './modes.ts'
import { waitsSuite } from './waits.ts'
import { accessSuite } from './access.ts'
import { incidentSuite } from './incidents.ts'
import { moneySuite } from './money.ts'
import { notesSuite } from './notes.ts'
import { setsSuite } from './sets.ts'
import { togetherSuite } from './together.ts'
import { workSuite } from './work.ts'

export interface Engine {
  readonly name: string
  /** Of a property, each on a record of its own. */
  readonly runs: number
  /** A new, empty record; `reopen` gives a second life of the same one after `close`. */
  open(): Promise<{ readonly store: Store; reopen(): Promise<Store> }>
}

const audit = (action: string): Command => ({
  kind: 'audit.append',
  with: { wallMs: 1, entries: [{ actor: 'sitter', action, object: 'x', decision: 'done', facts: {} }] },
})

export const storeSuite = (engine: Engine): void => {
  const opened = async (): Promise<{ store: Store; reopen(): Promise<Store> }> => {
    const record = await engine.open()
    await record.store.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 1 } }])
    return record
  }
  const it = (title: string, body: (store: Store, reopen: () => Promise<Store>) => Promise<void>): void => {
    test(`${engine.name}: ${title}`, async () => {
      const record = await opened()
      await body(record.store, record.reopen)
    })
  }

  notesSuite(it)

  it('a cell that ended is kept with why; one that is to be forgotten leaves no row', async (store) => {
    const started = (id: string): Command => ({
      kind: 'cell.started',
      with: {
        id,
        kind: 'pool',
        agentType: 'settler',
        identity: { pid: 7, startTime: '7' },
        directory: '/cells',
        owner,
        epoch: 1,
        wallMs: 1,
      },
    })
    const ended = { cause: 'killed-by-us', detail: 'asleep', wallMs: 2 }
    await store.transact([started('cel_kept'), started('cel_gone')])
    await store.transact([
      { kind: 'cell.ended', with: { id: 'cel_kept', ...ended } },
      { kind: 'cell.ended', with: { id: 'cel_gone', ...ended, forget: true } },
    ])
    expect(await store.read.cellsAlive()).toEqual([])
    expect(await store.read.cell('cel_kept')).toMatchObject({ id: 'cel_kept', cause: 'killed-by-us' })
    expect(await store.read.cell('cel_gone')).toBeUndefined()
  })

  it('events are found by subject, by kind or what stands above it, and from a time on', async (store) => {
    const kinds = ['cell.lost', 'cell.decision', 'cellar.dug', 'agent.lost', 'cell.decision', 'cell.decisions']
    const events = kinds.map(
      (kind, at) => ({ kind, level: 'info', subject: `s${at % 2}`, message: kind, facts: {} }) as const,
    )
    for (const [at, event] of events.entries())
      await store.transact([{ kind: 'events.add', with: { wallMs: 1_000 * (at + 1), events: [event] } }])
    const found = async (filter: EventFilter, newestFirst = false) =>
      (await store.read.events({ limit: 10, after: null, newestFirst, ...filter })).items.map(({ seq }) => seq)
    expect(await found({ kind: 'cell' })).toEqual([1, 2, 5, 6])
    expect(await found({ kind: 'cell.decision' }, true)).toEqual([5, 2])
    expect(await found({ kind: 'cell.dec' })).toEqual([])
    expect(await found({ sinceMs: 4_000 })).toEqual([4, 5, 6])
    expect(await found({ sinceMs: 4_001 }, true)).toEqual([6, 5])
    expect(await found({ sinceMs: 0, kind: 'cell', subject: 's0' })).toEqual([1, 5])
    expect(await found({ sinceMs: 9_000 })).toEqual([])
    const page = await store.read.events({ limit: 1, after: null, kind: 'cell', sinceMs: 2_000 })
    expect([page.items.map(({ seq }) => seq), page.next]).toEqual([[2], '2'])
  })

  it('each opening of a host is a new epoch, and an older epoch may not claim any more', async (store) => {
    await store.transact([submit([task('a')])])
    const [second] = await store.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 2 } }])
    expect(second).toEqual({ ok: true, value: { epoch: 2 } })
    const [old] = await store.transact([claim([1], 1)])
    expect(old).toMatchObject({ ok: false, refusal: 'stale' })
    const [now] = await store.transact([claim([1], 2)])
    expect(now.ok && now.value.claimed.map((one) => one.task)).toEqual(['tsk_a'])
  })

  it('one key makes one task: the same body finds it, another body is told apart and refuses its whole list', async (store) => {
    const [first] = await store.transact([submit([task('a')])])
    expect(first.ok && first.value.submitted).toEqual([{ id: 'tsk_a', outcome: 'created' }])
    const [again] = await store.transact([submit([task('a', { id: 'tsk_other' })])])
    expect(again.ok && again.value.submitted).toEqual([{ id: 'tsk_a', outcome: 'exists' }])
    const [wrong, beside] = await store.transact([
      submit([task('b'), task('a', { payloadHash: 'other' })]),
      audit('beside'),
    ])
    expect(wrong).toMatchObject({ ok: false, refusal: 'exists-with-different', detail: 'tsk_a' })
    expect(beside).toMatchObject({ ok: false, refusal: 'rolled-back' })
    expect(await store.read.task('tsk_b')).toBeUndefined()
    expect((await store.read.auditHead()).seq).toBe(0)
  })

  it('fifty submissions of one key at once make one task', async (store) => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => store.transact([submit([task('a', { id: `tsk_${index}` })])])),
    )
    expect(new Set(answers.map(([one]) => (one.ok ? one.value.submitted[0]!.id : 'refused'))).size).toBe(1)
    expect(await store.read.taskCounts()).toMatchObject([{ type: 'settle', state: 'ready', count: 1 }])
  })

  it('one list that is refused does not undo the others of the same turn', async (store) => {
    await store.transact([submit([task('a')])])
    const [good, bad, better] = await Promise.all([
      store.transact([submit([task('b')])]),
      store.transact([submit([task('c')]), submit([task('a', { payloadHash: 'other' })])]),
      store.transact([submit([task('d')])]),
    ])
    expect([good[0].ok, bad[0].ok, better[0].ok]).toEqual([true, false, true])
    const found = await Promise.all(['b', 'c', 'd'].map((name) => store.read.task(`tsk_${name}`)))
    expect(found.map((one) => one?.state.state)).toEqual(['ready', undefined, 'ready'])
  })

  it('tasks are claimed by priority, then age, each by one agent only', async (store) => {
    await store.transact([
      submit([task('low', { priority: 1 }), task('old'), task('new'), task('high', { priority: 9 })]),
    ])
    const [[one], [two]] = await Promise.all([store.transact([claim([1, 2])]), store.transact([claim([3, 4, 5])])])
    expect(one.ok && one.value.claimed.map((got) => got.task)).toEqual(['tsk_high', 'tsk_old'])
    expect(two.ok && two.value.claimed.map((got) => got.task)).toEqual(['tsk_new', 'tsk_low'])
    expect(one.ok && one.value.more).toBe(true)
    expect(two.ok && two.value.more).toBe(false)
  })

  it('a task that finds a free agent is written already running, unless an older one waits', async (store) => {
    const [claimed] = await store.transact([submit([task('a'), task('b')], { claim: [slot(1)] })])
    expect(claimed.ok && claimed.value.claimed.map((one) => [one.task, one.agent, one.fence])).toEqual([
      ['tsk_a', 'settler/1', 1],
    ])
    const [behind] = await store.transact([submit([task('c')], { claim: [slot(2)] })])
    expect(behind.ok && behind.value.claimed).toEqual([])
    expect((await store.read.task('tsk_b'))?.state).toEqual({ state: 'ready' })
  })

  it('an attempt ends once: told again it is a repeat, and an interrupted one that comes late is stale and changes nothing', async (store) => {
    await store.transact([submit([task('a')]), claim([1])])
    await store.transact([
      {
        kind: 'attempts.finish',
        with: {
          wallMs: 25,
          finishes: [
            {
              attempt: 'att_a.1',
              type: 'settle',
              outcome: 'interrupted',
              result: null,
              error: null,
              event: { event: 'interrupt' },
              counts: false,
              deadly: false,
            },
          ],
        },
      },
    ])
    await store.transact([claim([2])])
    const [late] = await store.transact([succeed('a', 1)])
    expect(late.ok && late.value[0]!.outcome).toBe('stale')
    expect(await store.read.task('tsk_a')).toMatchObject({
      state: { state: 'running', attempt: 'att_a.2' },
      fence: 2,
      attempts: 0,
    })
    const [done] = await store.transact([succeed('a', 2)])
    const [again] = await store.transact([succeed('a', 2)])
    expect([done.ok && done.value[0]!.outcome, again.ok && again.value[0]!.outcome]).toEqual(['done', 'repeat'])
    expect(await store.read.task('tsk_a')).toMatchObject({ state: { state: 'succeeded' }, attempts: 1, result: '1' })
    expect((await store.read.attempts('tsk_a')).map((one) => one.outcome)).toEqual(['interrupted', 'succeeded'])
  })

  it('waiting tasks become ready when they are due, not before', async (store) => {
    await store.transact([submit([task('a', { notBeforeMs: 1_000 }), task('b')])])
    expect(await store.read.nextTaskDueMs()).toBe(1_000)
    const [early] = await store.transact([{ kind: 'tasks.due', with: { wallMs: 999, limit: 10 } }])
    const [due] = await store.transact([{ kind: 'tasks.due', with: { wallMs: 1_000, limit: 10 } }])
    expect([early.ok && early.value.ready, due.ok && due.value]).toEqual([0, { ready: 1, agentTypes: ['settler'] }])
    expect(await store.read.nextTaskDueMs()).toBeNull()
  })

  it('a new sitter finds the attempts of the old one and gives their tasks back without charging them', async (store, reopen) => {
    await store.transact([submit([task('a'), task('b')]), claim([1])])
    await store.close()
    const next = await reopen()
    await next.transact([{ kind: 'host.open', with: { owner, bootId: 'boot', wallMs: 50 } }])
    const [recovered] = await next.transact([{ kind: 'attempts.recover', with: { owner, epoch: 2, wallMs: 51 } }])
    expect(recovered).toEqual({ ok: true, value: { interrupted: 1 } })
    expect(await next.read.task('tsk_a')).toMatchObject({ state: { state: 'ready' }, attempts: 0 })
  })

  it('an illegal step of a task is refused and told', async (store) => {
    await store.transact([submit([task('a')])])
    const redrive = (orNothing: boolean): Command => ({
      kind: 'task.move',
      with: { task: 'tsk_a', event: { event: 'redrive' }, orNothing, wallMs: 1 },
    })
    expect((await store.transact([redrive(false)]))[0]).toMatchObject({ ok: false, refusal: 'illegal' })
    expect((await store.transact([redrive(true)]))[0]).toMatchObject({ ok: true })
    expect((await store.read.task('tsk_a'))?.state).toEqual({ state: 'ready' })
  })

  it('the audit chain goes on over refused lists and over a new opening', async (store, reopen) => {
    await store.transact([audit('one')])
    await Promise.all([
      store.transact([audit('two')]),
      store.transact([audit('never'), claim([1], 99)]),
      store.transact([audit('three')]),
    ])
    const before = await store.read.auditHead()
    expect(before.seq).toBe(3)
    await store.close()
    const next = await reopen()
    expect(await next.read.auditHead()).toEqual(before)
    await next.transact([audit('four')])
    const rows = await next.read.audit(1, 10)
    expect(rows.map((row) => (JSON.parse(row.entry) as { action: string }).action)).toEqual([
      'one',
      'two',
      'three',
      'four',
    ])
    expect(rows.slice(1).every((row, index) => row.prev === rows[index]!.hash)).toBe(true)
  })

  it('commits are told in order, after they are durable, and refused commands are not', async (store) => {
    const told: string[] = []
    store.onCommit((committed) => told.push(...committed.map((one) => one.command.kind)))
    await Promise.all([store.transact([audit('a'), submit([task('a')])]), store.transact([claim([1], 99)])])
    expect(told).toEqual(['audit.append', 'tasks.submit'])
  })

  it('an answer to an idempotent request is kept and told apart from another request under its key', async (store) => {
    const remember = (requestHash: string, wallMs = 1): Command => ({
      kind: 'request.remember',
      with: { key: 'k', requestHash, status: 201, body: '{}', untilMs: 100, wallMs },
    })
    expect((await store.transact([remember('a')]))[0]).toMatchObject({ ok: true })
    expect((await store.transact([remember('a')]))[0]).toMatchObject({ ok: false, refusal: 'exists' })
    expect((await store.transact([remember('b')]))[0]).toMatchObject({ ok: false, refusal: 'exists-with-different' })
    expect((await store.transact([remember('b', 101)]))[0]).toMatchObject({ ok: true })
  })

  it('pages go through everything once and end', async (store) => {
    await store.transact([submit(Array.from({ length: 25 }, (_, index) => task(`t${index}`)))])
    const seen: string[] = []
    let after: string | null = null
    do {
      const page: { items: readonly { id: string }[]; next: string | null } = await store.read.tasks(
        {},
        { limit: 10, after },
      )
      seen.push(...page.items.map((one) => one.id))
      after = page.next
    } while (after !== null)
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => `tsk_t${index}`))
    expect(await store.read.tasks({}, { limit: 10, after: 'nonsense' })).toEqual({ items: [], next: null })
  })

  moneySuite(it)
  workSuite(it)
  togetherSuite(it)
  setsSuite(it, async () => (await opened()).store, engine.runs)
  accessSuite(it)
  modesSuite(it)
  waitsSuite(it)
  incidentSuite(it)
}
