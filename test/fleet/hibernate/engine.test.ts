/** Sleep with the real engine: a host that ends, a file, and the machine in another host, with the promise it waited on. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { villain } from '../../cell/harness.ts'
import { openYard, type Yard } from '../yard.ts'

const [one, other] = ['villain/0001', 'villain/0002'] as const
let count = 0

const open = (agents: number): Promise<Yard> =>
  openYard({
    run: { module: villain('vm-witness') },
    count: agents,
    perCell: agents,
    cell: { kind: 'vm', orWeaker: true, vm: { memoryBytes: 8_000_000, sliceMs: 100 } },
    hibernate: { afterMs: 300 },
    restart: { type: 'permanent', max: 50, withinMs: 600_000, baseMs: 20, capMs: 100 },
  })
const stateOf = ({ fleet }: Yard, agent: string): string =>
  fleet.view({ type: 'villain', number: Number(agent.slice(-4)) })!.state
/** Gives a task to an agent of this name, as soon as it is free. */
const give = async (yard: Yard, agent: string, type: string, payload: unknown): Promise<string> => {
  yard.fleet.want('villain', yard.settings.count)
  // Others are given back afterwards: given back while we look they are free at once, and this looks again, for ever.
  const others: string[] = []
  const free = await yard.until(() => {
    const all = yard.fleet.take('villain', 2)
    others.push(...all.map((one) => one.agent).filter((id) => id !== agent))
    return all.find((one) => one.agent === agent)
  })
  for (const one of others) yard.fleet.release(one)
  yard.fleet.want('villain', 0)
  const attempt = `att_${(count += 1)}`
  yard.run(free, attempt, type, payload)
  return attempt
}
/** What it answered. */
const run = async (yard: Yard, agent: string, type: string, payload: unknown = {}): Promise<unknown> => {
  const attempt = await give(yard, agent, type, payload)
  return (await yard.until(() => yard.done.find((done) => done.attempt === attempt))).result
}
const asleep = (yard: Yard, agent: string): Promise<unknown> =>
  yard.until(
    () => stateOf(yard, agent) === 'hibernating' && filesOf(yard).some((name) => name.includes(agent.slice(-4))),
  )
const filesOf = ({ root }: Yard): string[] =>
  readdirSync(join(root, 'asleep')).filter((name) => name.endsWith('.asleep'))

test('An agent that awaits something sleeps as a file, its host is gone, its timer wakes it once, and work finds it as it was', async () => {
  const yard = await open(1)
  expect(await run(yard, one, 'count')).toBe(1)
  await run(yard, one, 'keep', { ms: 2_500 })
  const { pid } = yard.fleet.cells()[0]!.identity
  await asleep(yard, one)
  await yard.until(() => yard.fleet.cells().length === 0)
  expect(existsSync(`/proc/${pid}`)).toBe(false)
  const [file] = filesOf(yard)
  const { mode, size } = statSync(join(yard.root, 'asleep', file!))
  expect([file, mode & 0o777, size < 300_000]).toEqual(['villain.0001.asleep', 0o600, true])
  // By its own timer, and then it sleeps again, with the outcome.
  await yard.until(() => stateOf(yard, one) === 'idle')
  await asleep(yard, one)
  expect(await run(yard, one, 'kept')).toBe('kept 2')
  await asleep(yard, one)
  expect(await run(yard, one, 'count')).toBe(3)
  expect([yard.events('agent.began-anew'), yard.events('cell.lost'), yard.lost]).toEqual([[], [], []])
}, 30_000)

test('Its host killed and its file damaged: a sleeper loses nothing by the one, and begins anew by the other', async () => {
  const yard = await open(2)
  await run(yard, one, 'keep', { ms: 60_000 })
  const held = await give(yard, other, 'wait', { ms: 60_000 })
  await asleep(yard, one)
  process.kill(yard.fleet.cells()[0]!.identity.pid, 'SIGKILL')
  await yard.until(() => yard.lost.some(({ attempt }) => attempt === held))
  expect(stateOf(yard, one)).toBe('hibernating')
  const path = join(yard.root, 'asleep', 'villain.0001.asleep')
  const bytes = readFileSync(path)
  bytes[bytes.length - 9]! ^= 1
  writeFileSync(path, bytes)
  expect(await run(yard, one, 'count')).toBe(1)
  expect(yard.events('agent.began-anew').map(({ subject }) => subject)).toEqual([one])
}, 30_000)
