/** `task` and `dlq` against a server that plays the sitter: what is sent, what is said, and the exit codes. */
import { writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Asked } from './server.ts'
import { world } from './world.ts'

interface Line {
  readonly type: string
  readonly payload: unknown
  readonly key: string
}
const linesOf = (asked: Asked): Line[] =>
  asked.body
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)

/** Takes each key once; the payload "bad" is refused, and the first request finds no room. */
const taker = (): { readonly route: unknown; readonly taken: Map<string, unknown> } => {
  const taken = new Map<string, unknown>()
  let asked = 0
  const route = (one: Asked, response: ServerResponse): unknown => {
    asked += 1
    if (asked === 1) return { status: 503, code: 'overloaded', title: 'later', detail: 'later' }
    const answers = linesOf(one).map(({ key, payload }, index) => {
      const item = index + 1
      if (payload === 'bad') return { item, code: 'invalid', detail: 'bad' }
      const outcome = taken.has(key) ? 'exists' : 'created'
      taken.set(key, payload)
      return { item, id: `tsk_${key}`, outcome }
    })
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.end([...answers, { end: true }].map((line) => `${JSON.stringify(line)}\n`).join(''))
    return undefined
  }
  return { route, taken }
}

test('a file is imported in requests of a thousand, past a refusal for want of room, and again it is all known', async () => {
  const { route, taken } = taker()
  const { server, directory, sitter } = await world({ 'POST /api/v1/tasks:batch': route })
  // Longer than what is read at once, so that the bar has a way to go.
  const rows = Array.from({ length: 2_500 }, (_, index) => JSON.stringify({ row: index % 7 }).padEnd(400))
  await writeFile(join(directory, 'rows.ndjson'), `${rows.join('\n')}\n`)
  const ended = await sitter('task', 'import', 'settle', 'rows.ndjson')
  expect(ended).toMatchObject({ code: 0, stdout: '2,500 new tasks, 0 known already, 0 refused\n' })
  // Where nothing can be repainted the bar is a number: of the file, after the first thousand rows of 2,500.
  const share = Number(/^1,000 new, 0 known, 0 refused · (\d+) %$/m.exec(ended.stderr)?.[1])
  expect(share).toBeGreaterThan(30)
  expect(share).toBeLessThan(80)
  expect(server.asked.map((asked) => linesOf(asked).length)).toEqual([1_000, 1_000, 1_000, 500])
  expect([...taken.values()].slice(0, 2)).toEqual([{ row: 0 }, { row: 1 }])
  expect((await sitter('task', 'import', 'settle', 'rows.ndjson')).stdout).toContain('0 new tasks, 2,500 known')
}, 30_000)

test('a CSV file gives a payload a row, its key from a column; refused rows are named and exit 1', async () => {
  const { route, taken } = taker()
  const { directory, sitter } = await world({ 'POST /api/v1/tasks:batch': route })
  await writeFile(join(directory, 'people.csv'), 'email,name\nann@x,"Ann, A."\nbob@x,Bob\n')
  expect((await sitter('task', 'import', 'notify', 'people.csv', '--key', 'email')).code).toBe(0)
  expect([...taken]).toEqual([
    ['ann@x', { email: 'ann@x', name: 'Ann, A.' }],
    ['bob@x', { email: 'bob@x', name: 'Bob' }],
  ])
  await writeFile(join(directory, 'some.ndjson'), '1\n\n"bad"\n')
  const ended = await sitter('task', 'import', 'notify', 'some.ndjson')
  expect(ended).toMatchObject({ code: 1, stdout: '1 new task, 0 known already, 1 refused\n' })
  expect(ended.stderr).toContain('line 3: invalid: bad')
})

test('all that is wrong with a file is told at once, and nothing of it is submitted', async () => {
  const { route } = taker()
  const { directory, server, sitter } = await world({ 'POST /api/v1/tasks:batch': route })
  await writeFile(join(directory, 'people.csv'), `email,name\nann@x,Ann\nbob@x\ncid@x,Cid,more\n,Dan\n`)
  const refused = await sitter('task', 'import', 'notify', 'people.csv', '--key', 'email')
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('people.csv: 3 lines of 4 cannot be taken; nothing was submitted')
  for (const told of ['line 3: it has another number', 'line 4: it has another number', 'line 5: it has no email'])
    expect(refused.stderr).toContain(told)
  await writeFile(join(directory, 'many.ndjson'), '{"a":\n'.repeat(300))
  const many = await sitter('task', 'import', 'notify', 'many.ndjson', '--dry-run')
  expect(many.code).toBe(2)
  expect(many.stderr).toContain('300 lines of 300')
  expect(many.stderr.match(/line \d+:/g)).toHaveLength(20)
  expect(server.asked).toEqual([])
})

test('a broken line stops an import with its number; a file that is not there is said', async () => {
  const { route } = taker()
  const { directory, server, sitter } = await world({ 'POST /api/v1/tasks:batch': route })
  await writeFile(join(directory, 'bad.ndjson'), '1\n{"a":\n')
  expect(await sitter('task', 'import', 'notify', 'bad.ndjson')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('line 2') as string,
  })
  expect((await sitter('task', 'import', 'notify', 'none.csv')).code).toBe(2)
  expect((await sitter('task', 'import', 'notify', 'bad.txt')).code).toBe(2)
  expect(server.asked).toEqual([])
})

test('dead letters are counted before they are redriven by filter and rate, and a dry run asks only', async () => {
  const answer = ({ body }: Asked): unknown => {
    const { dryRun = false } = JSON.parse(body) as { dryRun?: boolean }
    return { dryRun, count: 3, ids: ['tsk_1', 'tsk_2', 'tsk_3'], more: false, lastMs: null }
  }
  const { server, sitter } = await world({ 'POST /api/v1/dead-letters:redrive': answer })
  const filter = ['dlq', 'redrive', '--type', 'settle', '--error', 'payee', '--rate', '600/min']
  expect(await sitter(...filter, '--dry-run')).toMatchObject({
    code: 0,
    stdout: 'would redrive 3 dead letters; nothing was done (--dry-run)\n',
  })
  expect((await sitter(...filter)).code).toBe(2)
  expect(await sitter(...filter, '--yes')).toMatchObject({ code: 0, stdout: 'will be tried again: 3 dead letters\n' })
  const bodies = server.asked.map((asked) => JSON.parse(asked.body) as { dryRun?: boolean; ratePerSecond?: number })
  expect(bodies.map((body) => body.dryRun ?? false)).toEqual([true, true, true, false])
  expect(bodies.at(-1)).toEqual({ type: 'settle', error: 'payee', ratePerSecond: 10 })
  expect((await sitter('dlq', 'redrive')).code).toBe(2)
})

test('a task is added after others with its policy and deadline, and retried with another payload', async () => {
  const { server, sitter } = await world({
    'POST /api/v1/tasks': { id: 'tsk_3', outcome: 'created' },
    'POST /api/v1/tasks/tsk_3/retry': { state: { state: 'ready' }, version: 2 },
    'POST /api/v1/dead-letters/tsk_3/discard': {},
  })
  const add = ['task', 'add', 'settle', '--after', 'tsk_1', 'tsk_2', '--on-failed', 'run', '--deadline', '2h']
  expect(await sitter(...add)).toMatchObject({ code: 0, stdout: 'tsk_3 added\n' })
  expect(await sitter('task', 'retry', 'tsk_3', '--payload', '{"to":"ann"}')).toMatchObject({
    code: 0,
    stdout: 'tsk_3 is ready, payload version 2\n',
  })
  expect((await sitter('dlq', 'discard', 'tsk_3')).stdout).toBe('discarded: tsk_3\n')
  expect(server.asked.map((asked) => JSON.parse(asked.body) as unknown)).toEqual([
    { type: 'settle', payload: {}, after: ['tsk_1', 'tsk_2'], onFailed: 'run', deadlineMs: 7_200_000 },
    { payload: { to: 'ann' } },
    {},
  ])
})
