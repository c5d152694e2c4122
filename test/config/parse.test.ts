/** What the schema takes, what it makes of it, and how it tells what it refuses. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { formatFault } from '../../src/config/faults.ts'
import { inspectConfig } from '../../src/config/parse.ts'
import { Failure } from '../../src/std/std.ts'

const errorsOf = (raw: unknown): readonly string[] => {
  try {
    parseConfig(raw, '/swarm')
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).code).toBe('config-invalid')
    return (error as Failure).facts['errors'] as readonly string[]
  }
  throw new Error('the config was taken')
}

/** A config with every key that this version has; a fresh copy each time, open to damage. */
const whole = () => ({
  name: 'payouts',
  store: 'embedded',
  bus: 'local',
  agents: {
    settler: {
      run: { module: './agents/settler.ts' },
      count: 40,
      cell: { kind: 'pool', orWeaker: true, standby: 2 },
      upstreams: ['northbank'],
      restart: { type: 'transient', max: 3, within: '5m', base: '100ms', cap: '10s' },
      heartbeat: '10s',
      stuckAfter: '1m',
      startWithin: '20s',
      perCell: 20,
      limits: { memory: '128MiB' },
      overrides: { 'settler/7': { mode: 'active' } },
      config: { greeting: 'hello' },
    },
  },
  tasks: {
    settle: { agent: 'settler', retry: { max: 4, base: '2s', cap: '1m', budget: '20%' }, deadline: '1h', priority: 7 },
  },
  upstreams: {
    northbank: {
      url: 'http://127.0.0.1:9100',
      grant: ['127.0.0.1:9100'],
      credentials: 'northbank',
      allow: ['GET /v1/**', 'POST /v1/payouts'],
      money: ['POST /v1/payouts'],
      limits: [{ per: 'credential', rate: '6000/min', burst: 40, guard: '10%' }],
      timeout: '15s',
      cost: { call: '0.01 XTS' },
    },
  },
  credentials: { northbank: { kind: 'bearer', rotateEvery: '30d', warnBefore: '7d', pool: ['northbank-a'] } },
  channels: {
    northbank: {
      kind: 'http',
      upstream: 'northbank',
      pay: 'POST /v1/payouts',
      body: { reference: '{reference}', amount: '{amount}' },
      resolve: { query: 'GET /v1/payouts?key={key}', absentAfter: '60s' },
    },
  },
  rehearsal: { northbank: { port: 0, rate: '400/s', credential: 'northbank', faults: { late: 0.5, decline: '5%' } } },
  api: { port: '7701' },
})

/** A whole config with values put at paths, whose steps are parted by spaces. */
const damaged = (...changes: readonly (readonly [string, unknown])[]): Record<string, unknown> => {
  const raw: Record<string, unknown> = whole()
  for (const [path, value] of changes) {
    const steps = path.split(' ')
    const last = steps.pop()!
    const place = steps.reduce((tree, step) => tree[step] as Record<string, unknown>, raw)
    place[last] = value
  }
  return raw
}

test('A whole config becomes milliseconds, bytes, absolute paths and names', () => {
  const config = parseConfig(whole(), '/swarm')
  expect(config.agents['settler']).toMatchObject({
    name: 'settler',
    run: { module: '/swarm/agents/settler.ts' },
    cell: { kind: 'pool', orWeaker: true, standby: 2 },
    restart: { type: 'transient', max: 3, withinMs: 300_000, baseMs: 100, capMs: 10_000 },
    heartbeatMs: 10_000,
    stuckAfterMs: 60_000,
    memoryBytes: 134_217_728,
    overrides: { 'settler/0007': { mode: 'active' } },
  })
  expect(config.tasks['settle']).toEqual({
    name: 'settle',
    agent: 'settler',
    retry: { max: 4, baseMs: 2_000, capMs: 60_000, budget: 0.2 },
    deadlineMs: 3_600_000,
    workMs: 86_400_000,
    priority: 7,
  })
  expect(config.upstreams['northbank']).toMatchObject({
    url: 'http://127.0.0.1:9100',
    credential: 'northbank',
    limits: [
      {
        per: 'credential',
        rate: { count: 6_000, windowMs: 60_000 },
        burst: 40,
        guard: 0.1,
        window: 'smooth',
        match: [],
        weights: [],
      },
    ],
    timeoutMs: 15_000,
    parkAfterMs: 10_000,
    learn: true,
    breaker: { share: 0.5, volume: 20, probeMs: 5_000 },
    profile: null,
    price: { currency: 'XTS', call: 10_000_000_000n, weight: 0n, weights: [], tokens: null },
  })
  expect(config.channels['northbank']).toMatchObject({
    payer: 'northbank',
    pay: { method: 'POST', path: '/v1/payouts' },
    keyHeader: 'idempotency-key',
    outcome: { accepted: [200, 201, 202], rejected: [400, 422], unknown: ['5xx', 'lost'] },
    resolve: { by: 'query', method: 'GET', path: '/v1/payouts?key={key}', absentAfterMs: 60_000 },
  })
  expect(config.rehearsals['northbank']).toMatchObject({ rate: 400, faults: { late: 0.5, decline: 0.05 }, query: true })
  expect(config.api).toEqual({ host: '127.0.0.1', port: 7_701 })
})

test('Little need be said: the rest has defaults', () => {
  const config = parseConfig({ name: 'small', agents: { one: { run: { module: '/a.ts' } } } }, '/swarm')
  expect(config.agents['one']).toMatchObject({ count: 1, cell: { kind: 'pool' }, run: { module: '/a.ts' } })
  expect(config.api).toEqual({ host: '127.0.0.1', port: 7_700 })
})

test('The work of a task is bounded by a day, or by what is said, or by null not at all', () => {
  const works = [undefined, '90s', null].map((work) => {
    const tasks = { settle: { agent: 'one', ...(work !== undefined && { work }) } }
    const agents = { one: { run: { module: '/a.ts' } } }
    return parseConfig({ name: 'small', agents, tasks }, '/swarm').tasks['settle']!.workMs
  })
  expect(works).toEqual([86_400_000, 90_000, undefined])
})

test('A rate may be one call a window: only weights that were written have to fit it', () => {
  const faults = (limit: object): readonly string[] => {
    const upstream = { url: 'https://a.test', allow: ['GET /**'], limits: [{ per: 'upstream', ...limit }] }
    return inspectConfig({ name: 'small', agents: {}, upstreams: { u: upstream } }, '/swarm').faults.map(formatFault)
  }
  for (const rate of ['1/s', '1/min']) expect(faults({ rate })).toEqual([])
  expect(faults({ rate: '1/s', weights: { 'GET /a': 1 } })).toEqual([])
  expect(faults({ rate: '2/s', weights: { 'GET /a': 2 } })).toEqual([
    'upstreams.u.limits[0].weights: found 2, expected weights that the rate of 2 can hold',
  ])
})

test('Names reach no prototype in what was parsed', () => {
  const { agents } = parseConfig({ name: 'small', agents: { one: { run: { module: '/a.ts' } } } }, '/swarm')
  expect(agents['constructor']).toBeUndefined()
  expect(agents['toString']).toBeUndefined()
})

test('Ten faults are told at once, each with path, found, expected and the nearest word', () => {
  const raw = damaged(
    ['storee', 'embedded'],
    ['agents settler heartbeat', '30'],
    ['agents settler upstreams', ['nortbank']],
    ['agents settler restart type', 'permanant'],
    ['agents settler limits memry', '1GB'],
    ['tasks settle agent', 'setler'],
    ['upstreams northbank cost call', 0.01],
    ['upstreams northbank limits 0 burst', 7_000],
    ['channels northbank pay', 'POST /v2/payouts'],
    ['api port', 70_000],
  )
  const errors = errorsOf(raw)
  const one = (start: string): string => errors.filter((line) => line.startsWith(`${start}: `)).join(' | ')
  expect(one('storee')).toMatch(/unknown key.*one of .*store.*did you mean "store"\?/)
  expect(one('agents.settler.heartbeat')).toMatch(/found "30", expected a duration/)
  expect(one('agents.settler.upstreams[0]')).toMatch(/found "nortbank", .*did you mean "northbank"\?/)
  expect(one('agents.settler.restart.type')).toMatch(/found "permanant", .*did you mean "permanent"\?/)
  expect(one('agents.settler.limits.memry')).toMatch(
    /expected one of memory, cpu, pids, disk, files, calls; did you mean "memory"\?/,
  )
  expect(one('tasks.settle.agent')).toMatch(/found "setler", expected one of agents: settler; did you mean "settler"\?/)
  expect(one('upstreams.northbank.cost.call')).toMatch(/found 0.01, expected text/)
  expect(one('upstreams.northbank.limits[0].burst')).toMatch(/found 7000, expected at most the rate's 6000/)
  expect(one('channels.northbank.pay')).toMatch(/upstreams.northbank.allow covers.*upstreams.northbank.money covers/)
  expect(one('api.port')).toMatch(/found 70000, expected a port, a whole number from 0 to 65535/)
  expect(errors).toHaveLength(11)
})

test('What this version cannot do is refused by name, and not taken and ignored', () => {
  const later: readonly (readonly [string, RegExp, unknown])[] = [
    ['schedules', /schedules yet/, {}],
    ['bus', /bus beyond this host yet/, 'nats://somewhere'],
    ['agents settler cell', /cells other than "pool", "vm", "process" and "sandbox" yet/, 'worker'],
    ['agents settler cell kind', /cells other than "pool", "vm", "process" and "sandbox" yet/, 'worker'],
    ['agents settler schedule', /schedules yet/, 'daily'],
    ['channels northbank kind', /"http" yet/, 'paypal'],
  ]
  for (const [path, told, value] of later) {
    const at = path.replaceAll(' ', '.')
    expect(errorsOf(damaged([path, value]))).toEqual([expect.stringMatching(told)])
    expect(errorsOf(damaged([path, value]))[0]?.split(': found')[0]).toBe(at)
  }
})

test('A program has a cell of its own, and is started beside the config', () => {
  const agents = {
    notifier: { run: { command: ['python3', 'agents/notifier.py'] }, count: 10 },
    report: { run: { exec: ['./report.sh', './not-a-path'] }, cell: { kind: 'process' } },
  }
  const config = parseConfig({ name: 'small', agents }, '/swarm')
  expect(config.agents['notifier']).toMatchObject({
    run: { command: ['python3', 'agents/notifier.py'], directory: '/swarm' },
    cell: { kind: 'sandbox', orWeaker: true },
    perCell: 1,
    limits: { cpus: 1, processes: 64, files: 256, diskBytes: 64_000_000 },
  })
  expect(config.agents['report']).toMatchObject({
    run: { exec: ['/swarm/report.sh', './not-a-path'], directory: '/swarm' },
    cell: { kind: 'process', orWeaker: false },
  })
})

test('A program that says nothing takes what the machine can, but near money only what it was promised', () => {
  const agents = {
    near: { run: { exec: ['./pay.sh'] }, upstreams: ['bank'] },
    far: { run: { exec: ['./read.sh'] }, upstreams: ['news'] },
    said: {
      run: { exec: ['./pay.sh'] },
      upstreams: ['bank'],
      cell: { kind: 'sandbox', orWeaker: true, readable: ['m'] },
    },
    pool: { run: { module: './a.ts' }, upstreams: ['bank'], cell: { kind: 'pool', walls: false } },
    quiet: { run: { module: './a.ts' }, upstreams: ['bank'] },
  }
  const upstreams = {
    bank: { url: 'https://bank.example', allow: ['POST /pay'], money: ['POST /pay'] },
    news: { url: 'https://news.example', allow: ['GET /**'] },
  }
  const config = parseConfig({ name: 'small', agents, upstreams }, '/swarm')
  expect(Object.values(config.agents).map(({ cell }) => cell)).toEqual([
    { kind: 'sandbox', orWeaker: false, nearMoney: true },
    { kind: 'sandbox', orWeaker: true },
    { kind: 'sandbox', orWeaker: true, nearMoney: true, readable: ['/swarm/m'] },
    { kind: 'pool', orWeaker: false, nearMoney: true, walls: false },
    { kind: 'pool', orWeaker: false, nearMoney: true },
  ])
})

test('What a program cannot have is refused, and so is a program that is two things', () => {
  const errors = errorsOf({
    name: 'small',
    agents: {
      one: { run: { module: './a.ts', exec: ['./a.sh'] } },
      two: { run: {} },
      three: { run: { command: [] } },
      four: { run: { exec: ['./a.sh'] }, cell: 'pool', perCell: 7, limits: { memory: '1GB' }, config: { a: 1 } },
      five: { run: { module: './a.ts' }, cell: 'process' },
    },
  })
  expect(errors.map((error) => error.split(': found')[0])).toEqual([
    'agents.one.run',
    'agents.two.run',
    'agents.three.run.command',
    'agents.four.cell',
    'agents.four.perCell',
    'agents.four.config',
    'agents.five.cell',
  ])
})

test('A machine for each agent has 8 MB and 100 ms, or what is written; only a vm cell has that', () => {
  const agents = {
    usual: { run: { module: './a.ts' }, cell: 'vm' },
    large: {
      run: { module: './a.ts' },
      cell: { kind: 'vm', memory: '32MB', slice: '250ms', orWeaker: true, standby: 2 },
    },
  }
  const config = parseConfig({ name: 'small', agents }, '/swarm')
  expect(Object.values(config.agents).map(({ cell, perCell }) => [cell, perCell])).toEqual([
    [{ kind: 'vm', orWeaker: false, vm: { memoryBytes: 8_000_000, sliceMs: 100 } }, 100],
    [{ kind: 'vm', orWeaker: true, standby: 2, vm: { memoryBytes: 32_000_000, sliceMs: 250 } }, 100],
  ])
  const module = { run: { module: './a.ts' } }
  const errors = errorsOf({
    name: 'small',
    agents: {
      one: { ...module, cell: { kind: 'pool', memory: '8MB' } },
      two: { ...module, cell: { kind: 'vm', slice: '1ms' } },
      three: { ...module, cell: { kind: 'vm', memory: '1MB' } },
      four: { ...module, cell: { kind: 'vm', walls: false } },
      five: { run: { exec: ['./a.sh'] }, cell: 'vm' },
    },
  })
  expect(errors.map((error) => error.split(': found')[0]!).toSorted((one, other) => one.localeCompare(other))).toEqual([
    'agents.five.cell',
    'agents.four.cell.walls',
    'agents.one.cell.memory',
    'agents.three.cell.memory',
    'agents.two.cell.slice',
  ])
})

test('Checks between the parts', () => {
  const faults: readonly (readonly [RegExp, string, unknown])[] = [
    [/^upstreams\.northbank\.credentials: found "x"/, 'upstreams northbank credentials', 'x'],
    [/^channels\.northbank\.upstream: found "x"/, 'channels northbank upstream', 'x'],
    [/^rehearsal\.northbank\.credential: found "x"/, 'rehearsal northbank credential', 'x'],
    [/resolve\.query: .*moves no money/, 'upstreams northbank money 1', 'GET /v1/payouts'],
    [/overrides\["notifier\/1"\]/, 'agents settler overrides notifier/1', {}],
    [/overrides\["settler\/0007"\]: found the same/, 'agents settler overrides settler/0007', {}],
    [/overrides\["settler\/41"\]: .*count of 40/, 'agents settler overrides settler/41', {}],
    [/rejected\[0\]: found 201, .*under accepted/, 'channels northbank outcome', { rejected: [201] }],
    [/limits\[0\]\.per: found "credential"/, 'upstreams northbank credentials', null],
    [
      /limits\[0\]\.window: found it beside concurrent, .*no window/,
      'upstreams northbank limits 0',
      { per: 'upstream', concurrent: 4, window: 'sliding' },
    ],
    [/rehearsal\.northbank\.faults: .*at most 1/, 'rehearsal northbank faults', { late: 0.7, slow: '70%' }],
    [/body\.payee: .*only placeholders/, 'channels northbank body payee', '{paye}'],
    [/keyHeader: /, 'channels northbank keyHeader', 'authorization'],
    [/url: /, 'upstreams northbank url', 'http://user:word@bank.example'],
    [/url: /, 'upstreams northbank url', 'https://bank.example/v1'],
    [/allow\[2\]: /, 'upstreams northbank allow 2', 'GET /v1/../admin'],
    [/rate: .*at least one request a second/, 'rehearsal northbank rate', '1/min'],
  ]
  for (const [told, path, value] of faults) {
    expect(errorsOf(damaged([path, value]))).toEqual([expect.stringMatching(told)])
  }
})

test('Keys that reach prototypes are refused wherever they stand', () => {
  const raw = JSON.parse(JSON.stringify(whole()).replace('"greeting"', '"__proto__"'))
  expect(errorsOf(raw)).toEqual([expect.stringContaining('agents.settler.config.__proto__: found this key')])
  const outer = JSON.parse('{"__proto__":{"name":"x"},"name":"a","agents":{"constructor":{"run":{"module":"x"}}}}')
  expect(errorsOf(outer).map((line) => line.split(':')[0])).toEqual(['__proto__', 'agents.constructor'])
  expect(({} as Record<string, unknown>)['name']).toBeUndefined()
})

test('The value of an unknown key is not shown: it may be a secret in the wrong place', () => {
  expect(errorsOf({ ...whole(), token: 'sk_live_1234' }).join()).not.toContain('sk_live')
})

test('A nesting that would break every reader is refused', () => {
  let deep: unknown = 1
  for (let level = 0; level < 20_000; level += 1) deep = { a: deep }
  expect(errorsOf({ ...whole(), deep })).toEqual([expect.stringContaining('nesting of at most 64')])
})

test('Whatever is given, it is a config or a failure with its errors, never another error', () => {
  fc.assert(
    fc.property(
      fc.anything(),
      fc.constantFrom('name', 'agents', 'upstreams', 'channels', 'rehearsal', 'api'),
      (value, key) => {
        for (const raw of [value, { ...whole(), [key]: value }]) {
          try {
            parseConfig(raw, '/swarm')
          } catch (error) {
            if (!(error instanceof Failure) || error.code !== 'config-invalid') throw error
          }
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('Hosts that stand by are for pools, at most 16, and nothing is said where nothing was written', () => {
  const config = (cell: unknown, run: object = { module: './a.ts' }) => ({
    name: 'small',
    agents: { one: { run, cell } },
  })
  expect(parseConfig(config({ kind: 'pool' }), '/swarm').agents['one']!.cell).toEqual({ kind: 'pool', orWeaker: false })
  expect(parseConfig(config({ kind: 'pool', standby: 0 }), '/swarm').agents['one']!.cell).toMatchObject({ standby: 0 })
  expect(errorsOf(config({ kind: 'pool', standby: 17 }))).toEqual([expect.stringContaining('agents.one.cell')])
  expect(errorsOf(config({ kind: 'process', standby: 1 }, { exec: ['./a.sh'] }))).toEqual([
    expect.stringContaining('agents.one.cell.standby'),
  ])
})

test('A canary is near no money: no upstream that has money routes, and none that a channel pays by', () => {
  expect(parseConfig(damaged(['agents settler canary', false]), '/swarm').agents['settler']!.canary).toBeUndefined()
  expect(() => parseConfig(damaged(['agents settler canary', true]), '/swarm')).toThrow(
    'agents.settler.upstreams[0]: found "northbank", expected an upstream that moves no money',
  )
  const far = parseConfig(damaged(['agents settler canary', true], ['agents settler upstreams', []]), '/swarm')
  expect(far.agents['settler']!.canary).toBe(true)
})
