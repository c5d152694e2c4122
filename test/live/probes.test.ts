/** Probes under the real command: a program that is not ready lives and waits, one that does not live is ended and comes back. */
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Swarm } from './swarm.ts'

test('Readiness keeps work away and ends nobody; liveness ends the program, and its successor works', async () => {
  const marks = mkdtempSync(join(tmpdir(), 'probes-'))
  // Where the tests are root, the program has a user of its own, who must be able to read it.
  chmodSync(marks, 0o755)
  const notifier = join(marks, 'notifier.py')
  copyFileSync(join(import.meta.dirname, '..', '..', 'examples', 'any-language', 'notifier.py'), notifier)
  const [isReady, isDead] = [join(marks, 'ready'), join(marks, 'dead')]
  const swarm = await Swarm.start({
    name: 'probed',
    agents: {
      notifier: {
        run: { command: ['python3', notifier] },
        cell: 'process',
        heartbeat: '1s',
        restart: { base: '100ms', cap: '200ms' },
        health: {
          readiness: { command: ['test', '-e', isReady], every: '200ms', fails: 1 },
          liveness: { command: ['test', '!', '-e', isDead], every: '200ms', fails: 3 },
        },
      },
    },
    tasks: { notify: { agent: 'notifier' } },
    api: { port: 0 },
  })
  onTestFinished(async () => {
    rmSync(marks, { recursive: true })
    expect(await swarm.stop()).toEqual([])
  })
  const first = (await swarm.agents())[0]!.cell!
  const task = await swarm.submit('notify', { to: 'Ada', text: 'hello' })
  const exit = async (): Promise<string> => {
    const { exit: way } = (await swarm.api('agents/notifier/1')) as { exit?: { what: string } }
    return way!.what
  }
  await swarm.until('it says why it waits', async () => (await exit()).includes('readiness: test ended with 1'))
  expect((await swarm.task(task)).state).toBe('ready')
  writeFileSync(isReady, '')
  expect(await swarm.ended(task)).toMatchObject({ state: 'succeeded', attempts: 1 })

  writeFileSync(isDead, '')
  const lost = await swarm.until('its end', async () => {
    const { items } = await swarm.api(`events?limit=1000&subject=${first.id}`)
    return items!.find(({ kind }) => kind === 'cell.lost')
  })
  expect(lost).toMatchObject({ facts: { killedFor: 'liveness failed 3 times in a row: test ended with 1' } })
  rmSync(isDead)
  const next = await swarm.submit('notify', { to: 'Bob', text: 'hello' })
  expect(await swarm.ended(next)).toMatchObject({ state: 'succeeded' })
}, 60_000)
