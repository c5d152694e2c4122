/** Exec agents: one process a task. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Failure } from '../../src/std/std.ts'
import type { Run } from '../../src/wire/wire.ts'
import { runOf } from './harness.ts'
import { goneSoon, openProcessYard, type ProcessYard } from './process-yard.ts'

let yard: ProcessYard
beforeEach(async () => {
  yard = await openProcessYard()
})
afterEach(() => yard.clear())

const agent = 'villain/0001'
const open = async (script: string) => {
  const started = await yard.start('cel_1', await yard.script(script))
  await started.ear.ready()
  return started
}
const readPid = async (name: string): Promise<number> => {
  for (;;) {
    const text = await readFile(join(yard.directory, name), 'utf8').catch(() => '')
    if (text.endsWith('\n')) return Number(text)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('Nothing runs until there is work; then payload in, result out, log beside', async () => {
  const { cell, ear } = await open('echo "reading" >&2; cat')
  expect(cell.identity).toBe(null)
  expect(cell.processOf?.(agent)).toBe(null)
  expect(await cell.ask('ping', { nonce: 'n' }, 1_000)).toEqual({ nonce: 'n', agents: [agent], open: [] })
  cell.send([runOf(agent, 'att_1', 'echo', { text: 'grüß dich', list: [1, 2] })])
  expect((await ear.frame('done', 'att_1')).params).toEqual({
    agent,
    attempt: 'att_1',
    result: { text: 'grüß dich', list: [1, 2] },
  })
  expect(ear.lines).toEqual(['reading'])
  expect((await ear.frame('beat')).params).toEqual({ agent, progress: 'reading' })
})

test('The task is in the environment, and the sitter is not', async () => {
  const { cell, ear } = await open('env | grep -E "SITTER|SECRET" | sort')
  const params: Run = {
    agent,
    attempt: 'att_1',
    task: 'tsk_1',
    type: 'report',
    payload: {},
    number: 2,
    deadline: 1_900_000_000_000,
    key: 'key-1',
  }
  cell.send([{ jsonrpc: '2.0', method: 'run', params }])
  expect((await ear.frame('done', 'att_1')).params['result']).toBe(
    [
      'SITTER_AGENT=villain/0001',
      'SITTER_ATTEMPT=att_1',
      'SITTER_DEADLINE=1900000000000',
      `SITTER_GATE=${join(yard.directory, 'cel_1', 'gate.sock')}`,
      'SITTER_KEY=key-1',
      'SITTER_MODE=active',
      'SITTER_NUMBER=2',
      'SITTER_TASK=tsk_1',
    ].join('\n'),
  )
})

test.each([
  ['nothing', ':', null],
  ['text', 'echo all is well', 'all is well'],
  ['a number', 'echo 42', 42],
])('What it prints is the result: %s', async (_what, script, result) => {
  const { cell, ear } = await open(script)
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('done', 'att_1')).params['result']).toEqual(result)
})

test.each([
  ...[64, 65, 66, 70, 76, 77, 78].map((code) => [code, 'permanent'] as const),
  ...[1, 2, 67, 75, 127, 255].map((code) => [code, 'transient'] as const),
])('Exit code %i fails the attempt as %s', async (code, kind) => {
  const { cell, ear } = await open(`echo "why it failed" >&2; exit ${code}`)
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('fail', 'att_1')).params['error']).toEqual({
    name: 'ExitCode',
    message: `exit code ${code}`,
    code: `exit-${code}`,
    kind,
    stack: 'stderr: why it failed',
  })
})

test.each([
  [75, '{"done":["a"],"rest":["b"]}', { kind: 'transient', code: 'exit-75', partial: { done: ['a'], rest: ['b'] } }],
  [65, '{"rest":null}', { kind: 'permanent', code: 'exit-65', partial: { rest: null } }],
  [75, '{"done":["a"]}', { kind: 'permanent', code: 'invalid', partial: undefined }],
  [75, '7', { kind: 'permanent', code: 'invalid', partial: undefined }],
])('With exit code %i and the partial %s on stdout, what is left is told', async (code, partial, told) => {
  const { cell, ear } = await open(`printf '%s' '{"partial":${partial}}'; exit ${code}`)
  cell.send([runOf(agent, 'att_1', 'report')])
  const error = (await ear.frame('fail', 'att_1')).params['error'] as Record<string, unknown>
  expect({ ...error, partial: error['partial'] }).toMatchObject(told)
})

test('The words of a failure may be its own; its exit code decides what becomes of it', async () => {
  const words = '{"error":{"message":"the bank is shut","code":"mode-forbids","retryAfterMs":5000,"kind":"permanent"}}'
  const { cell, ear } = await open(`printf '%s' '${words}'; exit 75`)
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('fail', 'att_1')).params['error']).toEqual({
    name: 'ExitCode',
    message: 'the bank is shut',
    code: 'mode-forbids',
    kind: 'transient',
    retryAfterMs: 5_000,
  })
})

test('Each process is told the mode that its agent is in when it begins', async () => {
  const { cell, ear } = await open('echo $SITTER_MODE')
  const modes: unknown[] = []
  for (const mode of ['active', 'shadow', 'active']) {
    cell.send([{ jsonrpc: '2.0', method: 'mode', params: { agent, mode } }])
    const attempt = `att_${modes.length + 1}`
    cell.send([runOf(agent, attempt, 'report')])
    modes.push((await ear.frame('done', attempt)).params['result'])
  }
  expect(modes).toEqual(['active', 'shadow', 'active'])
})

test('A task that is told to stop may still say what is left', async () => {
  const { cell, ear } = await open(
    `trap 'echo "{\\"partial\\":{\\"rest\\":[2]}}"; exit 75' TERM; echo $$ > ${join(yard.directory, 'begun')}; while :; do sleep 0.05; done`,
  )
  cell.send([runOf(agent, 'att_1', 'report')])
  await readPid('begun')
  cell.send([{ jsonrpc: '2.0', method: 'cancel', params: { agent, attempt: 'att_1', reason: 'no progress' } }])
  expect((await ear.frame('fail', 'att_1')).params['error']).toMatchObject({
    message: 'no progress',
    kind: 'interrupted',
    partial: { rest: [2] },
  })
})

test('A signal that kills it makes the payload a suspect', async () => {
  const { cell, ear } = await open('kill -SEGV $$')
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('fail', 'att_1')).params['error']).toMatchObject({ kind: 'poison', code: 'SIGSEGV' })
})

test.each([
  ['more than 256 KiB', 'head -c 300000 /dev/zero | tr "\\0" x', 'too-large'],
  ['text that is longer as JSON', 'head -c 200000 /dev/zero | tr "\\0" "\\042"', 'too-large'],
])('A result of %s fails for good', async (_what, script, code) => {
  const { cell, ear } = await open(script)
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('fail', 'att_1')).params['error']).toMatchObject({ kind: 'permanent', code })
})

test('A result that nests too deep fails for good', async () => {
  const { cell, ear } = await open(`printf '%s%s' '${'['.repeat(80)}' '${']'.repeat(80)}'`)
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('fail', 'att_1')).params['error']).toMatchObject({ name: 'ResultTooDeep', kind: 'permanent' })
})

test('A cancelled task ends with its whole group, even one that ignores SIGTERM, and is told as interrupted', async () => {
  const { cell, ear } = await open(
    `trap '' TERM; sleep 600 & echo $! > ${join(yard.directory, 'child')}; wait; sleep 600`,
  )
  cell.send([runOf(agent, 'att_1', 'report')])
  const child = await readPid('child')
  const { pid, startTime } = cell.processOf!(agent)!
  expect(await cell.ask('ping', { nonce: 'n' }, 1_000)).toMatchObject({ open: [{ agent, attempt: 'att_1' }] })
  cell.send([{ jsonrpc: '2.0', method: 'cancel', params: { agent, attempt: 'att_1', reason: 'deadline' } }])
  expect((await ear.frame('fail', 'att_1')).params['error']).toMatchObject({ message: 'deadline', kind: 'interrupted' })
  await goneSoon({ pid, startTime })
  await goneSoon(child)
  expect(cell.processOf!(agent)).toBe(null)
})

test('What a task left running in its group goes with it', async () => {
  const { cell, ear } = await open(`sleep 600 & echo $! > ${join(yard.directory, 'child')}; echo '"done"'`)
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('done', 'att_1')).params['result']).toBe('done')
  await goneSoon(await readPid('child'))
})

test('An ending is told until it is taken; one that is not ours any more is dropped', async () => {
  const { cell, ear } = await open('echo 1')
  const answers = [new Failure('record-closed', 'not now'), null, new Failure('stale', 'too late')]
  ear.reply = (heard) => {
    const error = answers.shift()
    heard.answer(error ? { error } : { result: null })
  }
  cell.send([runOf(agent, 'att_1', 'report')])
  await ear.until(() => (answers.length === 1 ? true : undefined))
  cell.send([runOf(agent, 'att_2', 'report')])
  await ear.until(() => (answers.length === 0 ? true : undefined))
  expect(ear.heard.map((heard) => heard.params['attempt'])).toEqual(['att_1', 'att_1', 'att_2'])
  // The seat learns of the answer in the same turn of the loop.
  await new Promise((resolve) => setImmediate(resolve))
  expect(await cell.ask('ping', { nonce: 'n' }, 1_000)).toMatchObject({ open: [] })
})

test('A drain waits for what runs; what does not end in time is ended, and left to be given back', async () => {
  const { cell, ear } = await open(`read word; case $word in *slow*) sleep 600 ;; *) echo 1 ;; esac`)
  cell.send([runOf(agent, 'att_1', 'report'), runOf(agent, 'att_2', 'report', { slow: true })])
  expect(await cell.ask('drain', { withinMs: 500 }, 5_000)).toEqual({ open: [{ agent, attempt: 'att_2' }] })
  expect(ear.heard.map(({ method, params }) => [method, params['attempt']])).toEqual([['done', 'att_1']])
})

test('The end of the seat is the end of what runs in it', async () => {
  const { cell, ear } = await open('sleep 600')
  cell.send([runOf(agent, 'att_1', 'report')])
  const identity = await new Promise<{ pid: number; startTime: string }>((resolve) => {
    const look = (): void => {
      const found = cell.processOf!(agent)
      if (found === null) setImmediate(look)
      else resolve(found)
    }
    look()
  })
  cell.kill('enough')
  expect(await ear.gone()).toEqual({ cause: 'killed-by-us', detail: 'enough', end: null })
  await goneSoon(identity)
  expect(ear.heard).toEqual([])
})

test('A program that went away after the start fails the attempt, and says what is missing', async () => {
  const { cell, ear } = await open('echo 1')
  await import('node:fs/promises').then(({ rm }) => rm(join(yard.directory, 'script.sh')))
  await mkdir(join(yard.directory, 'script.sh'))
  cell.send([runOf(agent, 'att_1', 'report')])
  expect((await ear.frame('fail', 'att_1')).params['error']).toMatchObject({
    name: 'NotStarted',
    message: expect.stringContaining('script.sh is not there or may not be run') as string,
    kind: 'transient',
  })
})
