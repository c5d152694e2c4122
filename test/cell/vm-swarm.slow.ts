/**
 * A swarm whose agents live in machines of their own, run by the real command: they pay, one of them loops, and what
 * cannot run in a machine is refused before anything starts. Looked at from outside: the bank's log, the API, /proc. The
 * same of one cell is quick (vm.test.ts, vm-modules.test.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prepare, type Place } from '../crash/swarm.ts'
import { Swarm } from '../live/swarm.ts'
import { villain } from './harness.ts'

type Json = Readonly<Record<string, unknown>>
const cell = { kind: 'vm', orWeaker: true, memory: '6MB', slice: '80ms' }
const retry = { max: 2, base: '50ms', cap: '200ms' }

let directory: string
let place: Place
let config: Json & { readonly agents: Readonly<Record<string, Json>> }
let swarm: Swarm

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'machines-'))
  place = await prepare({ directory, agents: 12, rows: 40, faults: {} })
  const written = JSON.parse(readFileSync(place.config, 'utf8')) as typeof config & { readonly tasks: Json }
  config = {
    ...written,
    agents: {
      settler: { ...written.agents['settler'], cell },
      villain: {
        run: { module: villain('vm-witness') },
        count: 3,
        cell,
        heartbeat: '500ms',
        restart: { base: '20ms', cap: '100ms', max: 20 },
      },
    },
    tasks: {
      ...written.tasks,
      ...Object.fromEntries(
        ['count', 'loop', 'leak', 'facts', 'blind'].map((name) => [name, { agent: 'villain', retry }]),
      ),
    },
    api: { port: 0 },
  }
  swarm = await Swarm.start(config)
}, 60_000)
afterAll(async () => {
  await swarm.stop()
  await rm(directory, { recursive: true, force: true })
}, 60_000)

/** What the bank accepted, by reference. */
const accepted = (): Map<string, number> => {
  const counts = new Map<string, number>()
  const log = join(swarm.data, 'rehearsal', 'bank', 'log.ndjson')
  for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
    const { kind, reference } = JSON.parse(line) as { readonly kind?: string; readonly reference?: string }
    if (kind === 'accepted' && reference !== undefined) counts.set(reference, (counts.get(reference) ?? 0) + 1)
  }
  return counts
}

test('They pay: each row once, says the bank', async () => {
  const { code, err } = await swarm.run('settle', place.file, '--yes')
  expect([code, err]).toEqual([0, expect.any(String)])
  await swarm.until('40 settled', async () => {
    const { settle } = (await swarm.api('swarm')) as {
      readonly settle: { readonly byState: Readonly<Record<string, Json>> }
    }
    return settle.byState['settled']?.['count'] === 40
  })
  const counts = [...accepted().values()]
  expect([counts.length, Math.max(...counts)]).toEqual([40, 1])
})

test('They say what they live in, and what was asked for', async () => {
  const { housing, cell } = (await swarm.api('agents/settler/1')) as { readonly housing: Json; readonly cell: Json }
  expect(housing).toMatchObject({ requested: 'vm', effective: 'vm', refused: null })
  expect(cell['kind']).toBe('vm')
  const { out } = await swarm.run('describe', 'settler/1')
  expect(out).toContain('vm')
})

test('One that loops or leaks fails its task, is named, and is back; its cell-mates keep their process and their values', async () => {
  const before = await swarm.places('villain')
  for (const [task, code] of [
    ['loop', 'vm-slice'],
    ['leak', 'vm-memory'],
  ] as const) {
    const id = await swarm.submit(task, {})
    await swarm.ended(id)
    const { error, history } = (await swarm.api(`tasks/${id}`)) as {
      readonly error: Json
      readonly history: readonly Json[]
    }
    expect(error).toMatchObject({ code })
    expect(history.map(({ outcome }) => outcome)).toEqual(['transient', 'transient'])
  }
  await swarm.idle('villain', 3)
  expect(await swarm.places('villain')).toEqual(before)
  const restarts = (await swarm.api('agents/villain?limit=10')).items!.map((agent) => Number(agent['restarts']))
  expect(restarts.reduce((sum, count) => sum + count, 0)).toBe(4)
  expect((await swarm.ended(await swarm.submit('facts', {}))).result).toMatchObject({ doubled: 42 })
})

test('One that holds its host where nobody can interrupt it costs its cell-mates a restart; the second time it is named', async () => {
  const named = async (): Promise<Json | undefined> => {
    const { out } = await swarm.run('events', '--json')
    return out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly kind: string; readonly facts?: Json })
      .filter(({ kind }) => kind === 'cell.lost')
      .map(({ facts }) => facts?.['witness'] as Json | null | undefined)
      .find((one) => typeof one?.['agent'] === 'string') as Json | undefined
  }
  // Each is tried twice. A host that is attacked before its watch has begun to look has nothing to say.
  for (let tries = 0; tries < 3 && (await named()) === undefined; tries += 1)
    await swarm.ended(await swarm.submit('blind', {}))
  expect(await named()).toMatchObject({
    kind: 'blocked',
    source: 'watch',
    agent: expect.stringMatching(/^villain\/000[123]$/) as string,
  })
  await swarm.idle('settler', 12)
}, 90_000)

test('A module that cannot run in a machine is refused before anything starts, with the way out', async () => {
  const module = join(directory, 'files.ts')
  writeFileSync(module, "import { readFileSync } from 'node:fs'\nexport default readFileSync")
  const wrong = { ...config, agents: { ...config.agents, villain: { ...config.agents['villain'], run: { module } } } }
  swarm.write(wrong)
  for (const words of [
    ['config', 'validate', swarm.file],
    ['config', 'apply', swarm.file, '--yes'],
  ]) {
    const { code, out, err } = await swarm.run(...words)
    expect(code).toBe(2)
    expect(out + err).toContain(`an import of "node:fs" in ${module}`)
    expect(out + err).toContain('bundle what else it needs')
  }
  swarm.write(config)
  expect((await swarm.run('config', 'validate', swarm.file)).code).toBe(0)
})
