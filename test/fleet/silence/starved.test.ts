/**
 * The same silence of real hosts for three reasons, told apart by what the kernel says of their time: stopped, in a
 * loop, never let run. Only the last one lives on.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { openYard, type Yard } from '../yard.ts'

const allIdle = (yard: Yard) => (): true | undefined => yard.fleet.summary().byState.idle === 9 || undefined
const judged = (yard: Yard, cell: string): readonly unknown[] =>
  yard
    .events('cell.decision')
    .filter(({ subject, facts }) => subject === cell && facts['step'] === 'judge')
    .map(({ facts }) => facts['verdict'])
const isLost = (yard: Yard, cell: string): boolean => yard.events('cell.lost').some(({ subject }) => subject === cell)

/** Everything else on this machine goes before it. */
const setPolicy = (pid: number, policy: '--idle' | '--other'): void => {
  execFileSync('chrt', [policy, '--all-tasks', '--pid', '0', String(pid)])
}

const burn = (): ChildProcess[] =>
  Array.from({ length: 2 * availableParallelism() }, () =>
    // After the sitter, and before what is idle: it is the host that is starved, and nobody else.
    spawn('nice', ['-n', '19', process.execPath, '-e', 'for (;;) {}'], { stdio: 'ignore' }),
  )

test('A stopped host and one in a loop are ended, each for what it is', async () => {
  const yard = await openYard()
  await yard.until(allIdle(yard))
  const [free] = yard.fleet.take('villain', 1)
  const stopped = yard.fleet.cells().find(({ id }) => id !== free!.cell)!
  process.kill(stopped.identity.pid, 'SIGSTOP')
  yard.run(free!, 'att_loop', 'loop')
  await yard.until(() => isLost(yard, stopped.id) && isLost(yard, free!.cell))
  expect(judged(yard, stopped.id)).toEqual(['stopped'])
  expect(judged(yard, free!.cell).at(-1)).toBe('looping')
}, 30_000)

test('A host that works and gets no processor is starved: told, not ended, and its work is taken', async () => {
  const yard = await openYard()
  await yard.until(allIdle(yard))
  const [free] = yard.fleet.take('villain', 1)
  const { pid } = yard.fleet.cells().find(({ id }) => id === free!.cell)!.identity
  const burners = burn()
  onTestFinished(() => {
    for (const one of burners) one.kill('SIGKILL')
  })
  setPolicy(pid, '--idle')
  yard.run(free!, 'att_crunch', 'crunch', { cpuMs: 800 })
  await yard.until(() => judged(yard, free!.cell).includes('starved'))
  for (const one of burners) one.kill('SIGKILL')
  setPolicy(pid, '--other')
  await yard.until(() => yard.done.length === 1)
  expect(yard.done[0]).toMatchObject({ attempt: 'att_crunch', result: 'crunched' })
  expect(yard.events('cell.lost')).toEqual([])
  expect(yard.lost).toEqual([])
  await yard.until(allIdle(yard))
}, 60_000)
