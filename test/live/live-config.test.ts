/**
 * A configuration that changes under a swarm that works. What is promised is looked at from outside: who is asked,
 * which processes there are, what the upstream sees, what the record keeps.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openUpstream, type TestUpstream } from '../gateway/upstream.ts'
import { Swarm } from './swarm.ts'

const module = (name: string): string => join(import.meta.dirname, `${name}.ts`)
const notifier = join(import.meta.dirname, '..', '..', 'examples', 'any-language', 'notifier.py')
const retry = { max: 2, base: '50ms', cap: '200ms' }

let upstream: TestUpstream
let swarm: Swarm

interface Change {
  readonly worker?: object
  readonly caller?: object
  readonly notifier?: object | null
  readonly more?: object
  readonly tasks?: object
  readonly limits?: readonly object[]
  readonly rest?: object
}
const config = (change: Change = {}): object => ({
  name: 'live',
  agents: {
    // No host stands by: every host that is there has agents.
    worker: {
      run: { module: module('worker') },
      count: 5,
      perCell: 2,
      cell: { kind: 'pool', standby: 0 },
      ...change.worker,
    },
    caller: { run: { module: module('worker') }, upstreams: ['api'], ...change.caller },
    ...(change.notifier === null
      ? {}
      : { notifier: { run: { command: ['python3', notifier] }, count: 2, ...change.notifier } }),
    ...change.more,
  },
  tasks: { wait: { agent: 'worker', retry }, call: { agent: 'caller', retry }, ...change.tasks },
  upstreams: {
    api: {
      url: `http://${upstream.host}`,
      grant: [upstream.host],
      allow: ['GET /**'],
      limits: change.limits ?? [{ per: 'upstream', rate: '1000/s' }],
    },
  },
  api: { port: 0 },
  ...change.rest,
})

beforeAll(async () => {
  upstream = await openUpstream()
  swarm = await Swarm.start(config())
}, 60_000)

afterAll(async () => {
  const left = await swarm.stop()
  await upstream.close()
  expect(left).toEqual([])
}, 60_000)

test('More agents and fewer, while tasks run: none is lost or tried twice, and who stays is not touched', async () => {
  const before = await swarm.places('worker')
  const [others, gate, sitter] = [await swarm.places('notifier'), swarm.process('gate'), swarm.process('sitter')]
  const tasks = await Promise.all(Array.from({ length: 40 }, () => swarm.submit('wait', { ms: 200 })))
  expect(await swarm.apply(config({ worker: { count: 8 } }))).toMatchObject({
    version: 2,
    plan: { restarts: 'none', agents: [{ type: 'worker', kind: 'changed', from: 5, to: 8, restarts: 0 }] },
  })
  await swarm.until('eight workers', async () => (await swarm.agents('worker')).length === 8)
  await Promise.all(Array.from({ length: 20 }, async () => tasks.push(await swarm.submit('wait', { ms: 200 }))))
  await swarm.put(config({ worker: { count: 3 } }))
  await swarm.until('three workers', async () => (await swarm.agents('worker')).length === 3)
  for (const task of tasks) expect(await swarm.ended(task)).toMatchObject({ state: 'succeeded', attempts: 1 })
  const after = await swarm.places('worker')
  expect(Object.keys(after)).toEqual(['worker/0001', 'worker/0002', 'worker/0003'])
  for (const [agent, place] of Object.entries(after)) expect(place).toBe(before[agent])
  expect(await swarm.places('notifier')).toEqual(others)
  expect([swarm.process('gate'), swarm.process('sitter')]).toEqual([gate, sitter])
  // Two hosts for three workers, one for the caller.
  await swarm.until('three hosts', async () => swarm.hosts().length === 3)
  await swarm.put(config())
  await swarm.idle('worker', 5)
  expect(await swarm.places('worker')).toMatchObject(after)
  const again = (await swarm.agents('worker')).find(({ id }) => id === 'worker/0004')!
  expect(again.epoch).toBeGreaterThan(1)
})

test('A type comes and works, and goes when its last task has ended', async () => {
  const extra = { count: 2, run: { module: module('worker') } }
  await swarm.put(config({ more: { extra }, tasks: { wait: { agent: 'extra', retry } } }))
  await swarm.idle('extra', 2)
  const task = await swarm.submit('wait', { ms: 700 })
  await swarm.until('it runs', async () => (await swarm.task(task)).state === 'running')
  const { plan } = await swarm.put(config())
  expect(plan).toMatchObject({ agents: [{ type: 'extra', kind: 'removed', from: 2, to: 0 }] })
  expect(await swarm.ended(task)).toMatchObject({
    state: 'succeeded',
    attempts: 1,
    result: { agent: expect.stringMatching(/^extra/) as string },
  })
  await swarm.until('nobody', async () => (await swarm.agents()).every(({ id }) => !id.startsWith('extra/')))
  expect(await swarm.run('ps', '--type', 'extra').then(({ out }) => out)).not.toContain('extra/0001')
})

test('What is looked at each time it matters changes without any restart', async () => {
  const places = { ...(await swarm.places('worker')), ...(await swarm.places('notifier')) }
  const lively = { restart: { max: 9, base: '70ms' }, heartbeat: '1s', stuckAfter: '1s' }
  const { plan } = await swarm.put(config({ worker: lively, notifier: { startWithin: '9s' } }))
  expect(plan).toMatchObject({
    agents: [
      { type: 'notifier', restarts: 0 },
      { type: 'worker', restarts: 0 },
    ],
  })
  expect({ ...(await swarm.places('worker')), ...(await swarm.places('notifier')) }).toEqual(places)
  // The new patience holds at once: an attempt that is stuck for a second is given up.
  const stuck = await swarm.submit('wait', { ms: 60_000 })
  const ended = await swarm.ended(stuck)
  expect(ended.state).toBe('dead')
  await swarm.put(config())
})

test('Another program: its agents begin anew, one part after the other, and nobody else does', async () => {
  await swarm.idle('worker', 5)
  const [workers, notifiers] = [await swarm.places('worker'), await swarm.places('notifier')]
  const tasks = await Promise.all(Array.from({ length: 30 }, () => swarm.submit('wait', { ms: 100 })))
  const { plan } = await swarm.put(config({ worker: { run: { module: module('other-worker') } } }))
  expect(plan).toMatchObject({ agents: [{ type: 'worker', restarts: 5, because: ['run'] }] })
  let fewest = 5
  await swarm.until('new processes', async () => {
    const agents = await swarm.agents('worker')
    fewest = Math.min(fewest, agents.filter(({ state }) => state === 'idle' || state === 'busy').length)
    return agents.every(({ id, state, cell }) => {
      const place = `${cell?.pid} ${cell?.startTime}`
      return (state === 'idle' || state === 'busy') && place !== workers[id]
    })
  })
  expect(fewest).toBeGreaterThanOrEqual(3)
  for (const task of tasks) expect(await swarm.ended(task)).toMatchObject({ state: 'succeeded', attempts: 1 })
  expect(await swarm.places('notifier')).toEqual(notifiers)
  await swarm.until('no old process', async () => {
    const pids = new Set(Object.values(workers).map((place) => Number(place.split(' ')[0])))
    return swarm.hosts().every(({ pid }) => !pids.has(pid))
  })
})

test('An invalid one is refused with every fault, by apply and by SIGHUP; nothing changes', async () => {
  const [places, versions] = [await swarm.places('worker'), await swarm.versions()]
  swarm.write({ ...config(), agnets: {}, tasks: { wait: { agent: 'nobody', priority: 77 } } })
  const { code, err } = await swarm.run('config', 'apply', swarm.file)
  expect([code, err]).toEqual([2, expect.stringContaining('config-invalid') as string])
  for (const fault of ['agnets', 'tasks.wait.agent', 'tasks.wait.priority']) expect(err).toContain(fault)
  swarm.up.kill('SIGHUP')
  const refused = await swarm.until('an event', async () =>
    (await swarm.api('events?subject=config&limit=1000')).items!.findLast(({ kind }) => kind === 'config.refused'),
  )
  expect(refused).toMatchObject({ level: 'error', facts: { code: 'config-invalid', by: 'signal:SIGHUP' } })
  expect(await swarm.versions()).toEqual(versions)
  expect(await swarm.places('worker')).toEqual(places)
})

test('A release that does not start costs its own part only; going back mends it', async () => {
  await swarm.put(config({ worker: { run: { module: module('broken-worker') }, startWithin: '1s' } }))
  await swarm.until('one part is down', async () =>
    (await swarm.agents('worker')).some(({ state }) => state === 'backoff' || state === 'quarantined'),
  )
  expect(await swarm.ended(await swarm.submit('wait', { ms: 10 }))).toMatchObject({ state: 'succeeded' })
  expect((await swarm.agents('worker')).filter(({ state }) => state === 'idle').length).toBeGreaterThanOrEqual(3)
  await swarm.put(config())
  await swarm.idle('worker', 5)
})

test('A limit reaches the gate as it runs, and the upstream sees the new rate', async () => {
  const gate = swarm.process('gate')
  await swarm.ended(await swarm.submit('call', { path: '/fast', times: 20 }))
  const seen = (path: string): readonly number[] =>
    upstream.seen.filter(({ url }) => url === path).map(({ atMs }) => atMs)
  expect(seen('/fast')).toHaveLength(20)
  expect(await swarm.put(config({ limits: [{ per: 'upstream', rate: '8/s', burst: 1 }] }))).toMatchObject({
    gate: 'taken',
    plan: { gate: true, agents: [] },
  })
  await swarm.ended(await swarm.submit('call', { path: '/slow', times: 9 }))
  const times = seen('/slow')
  expect(times).toHaveLength(9)
  for (const [index, atMs] of times.entries())
    expect(times.filter((other) => other >= atMs && other < atMs + 1_000).length, String(index)).toBeLessThanOrEqual(8)
  await swarm.put(config())
  expect(swarm.process('gate')).toEqual(gate)
})

test('What only a new sitter reaches is named and refused whole', async () => {
  const versions = await swarm.versions()
  const needs = /needs a restart of (the )?sitter/
  const wanted = (rest: object): object => config({ worker: { count: 6 }, rest })
  swarm.write(wanted({ api: { port: 1 } }))
  expect((await swarm.run('config', 'plan', swarm.file)).out).toMatch(needs)
  const { code, err } = await swarm.run('config', 'apply', swarm.file)
  expect([code, err]).toEqual([6, expect.stringContaining('restart-needed') as string])
  for (const rest of [{ name: 'other' }, { store: 'postgres://127.0.0.1/none' }]) {
    const candidate = { file: swarm.file, baseDirectory: swarm.directory, raw: wanted(rest) }
    const { plan } = (await swarm.api('config/validate', candidate)) as { plan: { effects: readonly string[] } }
    expect(plan.effects.join('\n')).toMatch(needs)
    await expect(swarm.put(wanted(rest))).rejects.toThrow('restart-needed')
  }
  expect(await swarm.versions()).toEqual(versions)
  expect(await swarm.agents('worker')).toHaveLength(5)
})

test('SIGHUP to the watch, or to the sitter, applies the file; an older version is restored by its number', async () => {
  const { version } = (await swarm.versions())[0] as { version: number }
  swarm.write(config({ worker: { count: 6 } }))
  swarm.up.kill('SIGHUP')
  await swarm.idle('worker', 6)
  expect((await swarm.versions())[0]).toMatchObject({ version: version + 1, actor: 'signal:SIGHUP' })
  swarm.write(config({ worker: { count: 7 } }))
  process.kill(swarm.process('sitter').pid, 'SIGHUP')
  await swarm.idle('worker', 7)
  const { code } = await swarm.run('config', 'rollback', String(version))
  expect(code).toBe(0)
  await swarm.idle('worker', 5)
  expect((await swarm.versions())[0]).toMatchObject({
    version: version + 3,
    actor: 'token:operator',
    changes: ['~ agents.worker.count: 7 → 5'],
  })
  const entries = (await swarm.api('audit/entries?limit=1000')).items!.map((item) => JSON.stringify(item))
  const applied = entries.filter((entry) => entry.includes('config.apply') && entry.includes('allowed'))
  expect(applied.filter((entry) => entry.includes('signal:SIGHUP'))).toHaveLength(2)
  expect(applied).toHaveLength(version + 3)
})

test('A sitter that is killed right after an apply comes back with the new version', async () => {
  const { version } = await swarm.put(config({ worker: { count: 6, config: { release: 2 } }, notifier: null }))
  const sitter = swarm.process('sitter')
  process.kill(sitter.pid, 'SIGKILL')
  await swarm.until('another sitter', async () => {
    const { pid } = (await swarm.api('swarm')) as { pid: number }
    return pid !== sitter.pid
  })
  await swarm.idle('worker', 6)
  expect(await swarm.api('config/current')).toMatchObject({ version })
  expect((await swarm.versions())[0]).toMatchObject({ version })
  expect(await swarm.ended(await swarm.submit('wait', { ms: 1 }))).toMatchObject({
    state: 'succeeded',
    result: { config: { release: 2 } },
  })
  expect((await swarm.agents()).some(({ id }) => id.startsWith('notifier/'))).toBe(false)
})

test('A SIGHUP while the sitter is away is not lost', async () => {
  const sitter = swarm.process('sitter')
  process.kill(sitter.pid, 'SIGKILL')
  swarm.write(config({ worker: { count: 4 }, notifier: null }))
  swarm.up.kill('SIGHUP')
  swarm.up.kill('SIGHUP')
  await swarm.idle('worker', 4)
  expect((await swarm.versions())[0]).toMatchObject({ actor: 'signal:SIGHUP' })
  await swarm.put(config({ worker: { count: 6 }, notifier: null }))
  await swarm.idle('worker', 6)
})

test('An address of the API is taken by a restart that was agreed to, and only when it is free', async () => {
  const base = { worker: { count: 6 }, notifier: null }
  const versions = await swarm.versions()
  const sitter = swarm.process('sitter')
  swarm.write(config({ ...base, rest: { api: { port: upstream.port } } }))
  const { code, err } = await swarm.run('config', 'apply', swarm.file, '--restart', '--yes')
  expect([code, err]).toEqual([6, expect.stringContaining('port-taken') as string])
  expect([await swarm.versions(), swarm.process('sitter')]).toEqual([versions, sitter])
  const free = await openUpstream()
  await free.close()
  await swarm.apply(config({ ...base, rest: { api: { port: free.port } } }), '--restart', '--yes')
  await swarm.until('the new address', async () => {
    const answer = await fetch(`http://127.0.0.1:${free.port}/livez`)
    return answer.ok
  })
  await swarm.idle('worker', 6)
  expect(swarm.process('sitter').pid).not.toBe(sitter.pid)
  expect(swarm.up.exitCode).toBe(null)
})
