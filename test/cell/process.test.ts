/** Command agents: programs in another language, in a process of their own. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { realProc } from '../../src/std/real/real.ts'
import { runOf } from './harness.ts'
import { goneSoon, openProcessYard, program, python, type ProcessYard } from './process-yard.ts'

let yard: ProcessYard
beforeEach(async () => {
  yard = await openProcessYard()
})
afterEach(() => yard.clear())

const agent = 'villain/0001'
const result = (heard: { readonly params: Readonly<Record<string, unknown>> }): Record<string, unknown> =>
  heard.params['result'] as Record<string, unknown>

test('A Python program is welcomed, works, and answers a challenge as the process it is said to be', async () => {
  const { cell, ear } = await yard.start('cel_1', python())
  await ear.ready()
  cell.send([runOf(agent, 'att_1', 'echo', { text: 'grüß dich' })])
  expect(result(await ear.frame('done', 'att_1'))).toEqual({
    pid: cell.identity!.pid,
    payload: { text: 'grüß dich' },
    key: 'key-att_1',
  })
  expect(await cell.ask('ping', { nonce: 'n' }, 5_000)).toEqual({ nonce: 'n', agents: [agent], open: [] })
  expect(realProc().startTime(cell.identity!.pid)).toBe(cell.identity!.startTime)
})

test('A program gets its two sockets and four variables, an empty stdin, and nothing else of the sitter', async () => {
  const { cell, ear } = await yard.start('cel_1', python())
  await ear.ready()
  cell.send([runOf(agent, 'att_1', 'environment')])
  const { names, directory, stdin } = result(await ear.frame('done', 'att_1'))
  const passed = ['PATH', 'HOME', 'LANG', 'TZ'].filter((name) => yard.surroundings[name] !== undefined)
  // What starts python may add its own; of the sitter's environment nothing but these may come through.
  const ours = (names as string[]).filter((name) => name in yard.surroundings || name.startsWith('SITTER_'))
  const known = [...passed, 'SITTER_GATE', 'SITTER_SOCKET']
  expect(ours.filter((name) => !known.includes(name) && !/^(PYENV|PWD|SHLVL|OLDPWD|_$)/.test(name))).toEqual([])
  expect(ours).toEqual(expect.arrayContaining(known))
  expect({ directory, stdin }).toEqual({ directory: import.meta.dirname, stdin: '' })
})

test('A program that names another agent is turned away', async () => {
  const { ear } = await yard.start('cel_1', python('stranger'))
  expect(await ear.gone()).toMatchObject({
    cause: 'start-failed',
    detail: expect.stringContaining('villain/0009 does not live here') as string,
  })
})

test('Garbage ends the program that sends it', async () => {
  const { cell, ear } = await yard.start('cel_1', python('garbage'))
  expect(await ear.gone()).toMatchObject({
    cause: 'start-failed',
    detail: expect.stringMatching(/20 of its frames were refused/) as string,
  })
  await goneSoon(cell.identity!)
})

test('A program that never says hello is ended in time', async () => {
  const { cell, ear } = await yard.start('cel_1', python('mute'), { startWithinMs: 300 })
  expect(await ear.gone()).toMatchObject({ cause: 'start-failed', detail: 'no hello within 300 ms (signal SIGKILL)' })
  await goneSoon(cell.identity!)
})

test('A program that is not on this machine is refused before anything is started, and the refusal names it', async () => {
  const start = yard.start('cel_1', { command: ['python-of-the-moon'], directory: '/' })
  await expect(start).rejects.toMatchObject({
    code: 'cell-start',
    message: expect.stringContaining('the program python-of-the-moon is not on this machine') as string,
  })
  await expect(yard.start('cel_2', { command: [program], directory: '/' })).rejects.toMatchObject({
    message: expect.stringContaining('may not be run') as string,
  })
})

test('A grandchild goes with its program, whether the program is ended by us or by somebody else', async () => {
  for (const end of ['us', 'somebody'] as const) {
    const { cell, ear } = await yard.start(`cel_${end}`, python())
    await ear.ready()
    cell.send([runOf(agent, 'att_1', 'child')])
    const child = result(await ear.frame('done', 'att_1'))['child'] as number
    expect(realProc().startTime(child)).toBeDefined()
    if (end === 'us') cell.kill('enough')
    else process.kill(cell.identity!.pid, 'SIGKILL')
    expect(await ear.gone()).toMatchObject({ cause: end === 'us' ? 'killed-by-us' : 'killed' })
    await goneSoon(child)
  }
})

test('A flood of output stops nobody: the program goes on, its lines are cut, its last word is heard', async () => {
  const { cell, ear } = await yard.start('cel_1', python())
  await ear.ready()
  cell.send([
    runOf(agent, 'att_1', 'flood', { lines: 50_000 }),
    runOf(agent, 'att_2', 'flood', { lines: 2, width: 50_000 }),
  ])
  await ear.frame('done', 'att_2')
  await ear.until(() => (ear.lines.filter((line) => line === 'a last word').length === 2 ? true : undefined))
  // stdout and stderr are two pipes: the wide lines may come after the last word.
  await ear.until(() => (ear.lines.some((line) => line.length === 16_384) ? true : undefined))
  expect(Math.max(...ear.lines.map((line) => line.length))).toBe(16_384)
})

test('A program may connect anew: what was sent meanwhile waits, and what it holds it may still tell', async () => {
  const { cell, ear } = await yard.start('cel_1', python())
  await ear.ready()
  cell.send([runOf(agent, 'att_1', 'hangup')])
  await expect(cell.ask('ping', { nonce: 'lost' }, 5_000)).rejects.toMatchObject({ code: 'cell-lost' })
  cell.send([runOf(agent, 'att_2', 'echo')])
  expect(result(await ear.frame('done', 'att_1'))).toEqual({ after: 'hello' })
  await ear.frame('done', 'att_2')
  expect(ear.readies).toBe(2)
  expect(ear.ends).toEqual([])
})

test('A program that ignores SIGTERM has its drain, then its second, and is ended by force', async () => {
  const { cell, ear } = await yard.start('cel_1', python('deaf'))
  await ear.ready()
  const startedMs = performance.now()
  expect(await cell.ask('drain', { withinMs: 1_000 }, 3_000)).toEqual({ open: [] })
  expect(performance.now() - startedMs).toBeGreaterThan(900)
  expect(ear.ends).toEqual([])
  cell.kill('the sitter stops')
  expect(await ear.gone()).toMatchObject({ cause: 'killed-by-us', end: { signal: 'SIGKILL' } })
})

test('A program that ends by itself is told with its code and its last words', async () => {
  const { cell, ear } = await yard.start('cel_1', python())
  await ear.ready()
  cell.send([runOf(agent, 'att_1', 'exit', { code: 3 })])
  expect(await ear.gone()).toMatchObject({ cause: 'exit', detail: 'exit code 3; last it said: leaving' })
})
