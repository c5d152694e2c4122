/** `drill`: harms done on purpose to a swarm of its own; what was found is kept beside the record of the real one. */
import type { DrillReport, DrillRun } from '../../drill/drill.ts'
import { failure } from '../../std/std.ts'
import type { SwarmView } from '../api.ts'
import { confirm, onlyDry } from './asking.ts'
import { namedDataDirectory, nearestDataDirectory } from './locate.ts'
import { at, count, counted, duration, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const reportLines = (report: DrillReport, { printer }: Invocation): readonly string[] => {
  const { name, what, held, detectMs, recoverMs, falseKills, doubleEffects, leftovers, checks } = report
  const mark = held ? printer.paint('green', '✓') : printer.paint('red', '✗')
  return [
    `${mark} ${plain(name)}: ${plain(what)}`,
    `    ${detectMs === null ? 'no word of it' : `found after ${duration(detectMs)}`}, ` +
      `${recoverMs === null ? 'not seen well again' : `well again after ${duration(recoverMs)}`}; ` +
      `${counted(falseKills, 'false kill')}, ${counted(doubleEffects, 'double effect')}, ` +
      `${counted(leftovers.length, 'leftover')}`,
    ...checks.filter((one) => !one.held).map((one) => `    not held: ${plain(one.what)}; seen: ${plain(one.found)}`),
  ]
}

const endLines = ({ drills, held, leftovers, tookMs, id, live }: DrillRun): readonly string[] => [
  ...(live === undefined ? [] : [`live, on ${plain(live.agent)} of ${plain(live.swarm)}`]),
  ...leftovers.map((one) => `left of the drill's swarm: ${plain(one)}`),
  `${count(drills.filter((one) => one.held).length)} of ${counted(drills.length, 'drill')} held, ` +
    `${held ? 'nothing left' : 'see above'}, in ${duration(tookMs)} (${plain(id)})`,
]

const dataDirectory = async ({ world, options }: Invocation): Promise<string | undefined> => {
  const directory = namedDataDirectory(world, options) ?? (await nearestDataDirectory(world))
  return directory !== undefined && (await world.disk.exists(directory)) ? directory : undefined
}

const kept = async (invocation: Invocation): Promise<readonly DrillRun[]> => {
  const directory = await dataDirectory(invocation)
  if (directory === undefined)
    throw failure('not-found', 'there is no data directory here that could hold earlier drills', {
      facts: { wayOut: 'say where it is: --data-dir <dir> (SITTER_DATA_DIR)' },
    })
  const { keptRuns } = await import('../../drill/drill.ts')
  return keptRuns(invocation.world.disk, directory)
}

const list: Deed = async (invocation) => {
  const { printer } = invocation
  printer.list(await kept(invocation), ({ id }) => id, [
    { head: 'DRILL', value: ({ id }) => id },
    { head: 'WHEN', value: ({ atMs }) => at(atMs) },
    {
      head: 'HELD',
      value: ({ held, drills }) =>
        `${held ? 'yes' : 'no'} (${drills.filter((one) => one.held).length}/${drills.length})`,
    },
    { head: 'TOOK', value: ({ tookMs }) => duration(tookMs) },
    { head: 'VERSION', value: ({ version }) => version },
  ])
  return 0
}

const show: Deed = async (invocation) => {
  const { printer } = invocation
  const wanted = invocation.arguments[1]
  const all = await kept(invocation)
  const found = wanted === undefined ? all[0] : all.find(({ id }) => id === wanted)
  if (found === undefined)
    throw failure('not-found', wanted === undefined ? 'no drill was run here yet' : `there is no drill ${wanted}`)
  printer.show(found, () => [...found.drills.flatMap((one) => reportLines(one, invocation)), ...endLines(found)])
  return found.held ? 0 : 1
}

const run: Deed = async (invocation) => {
  const { world, printer } = invocation
  const [only] = invocation.arguments
  const { drillNames, keepRun, runDrills } = await import('../../drill/drill.ts')
  const names = drillNames.filter(({ name }) => only === undefined || name === only).map(({ name }) => name)
  if (
    onlyDry(invocation, `start a small swarm in a temporary folder and drill ${names.join(', ')}`, {
      verb: 'drill',
      names,
    })
  )
    return 0
  if (names.length > 0) printer.note('a small swarm of its own comes up in a temporary folder; yours is not touched')
  const interrupt = new AbortController()
  // Its swarm is ended and its folder removed before we go.
  for (const name of ['SIGINT', 'SIGTERM'] as const) world.onSignal(name, () => interrupt.abort())
  const done = await runDrills({
    clock: world.clock,
    proc: world.proc,
    fetch: world.fetch,
    env: world.env,
    interrupted: interrupt.signal,
    only,
    version: world.version,
    onUp: () => printer.note(`it is up: ${names.join(', ')}`),
    onReport: (report) => {
      if (!printer.json) printer.lines(reportLines(report, invocation))
    },
  })
  const directory = await dataDirectory(invocation)
  if (directory === undefined) printer.note('not kept: there is no data directory here')
  else await keepRun(world.disk, directory, done)
  if (printer.json) printer.document(done)
  else printer.lines(endLines(done))
  return done.held ? 0 : 1
}

/** On a canary of the swarm that works; the same report, kept in the same place. */
const runOnCanary: Deed = async (invocation) => {
  const { world, printer, options } = invocation
  const [name] = invocation.arguments
  const agent = options.text('agent')
  const { keepRun, liveDrills, runId, runLive } = await import('../../drill/drill.ts')
  if (name === undefined || agent === undefined)
    throw failure(
      'usage',
      'a live drill is one harm to one canary: sitter drill <name> --live --agent <type or agent>',
      {
        facts: { wayOut: `names: ${liveDrills.join(', ')}; agents: types with \`canary: true\`` },
      },
    )
  if (onlyDry(invocation, `drill ${plain(name)} on ${plain(agent)}`, { verb: 'drill', name, agent, live: true }))
    return 0
  const api = await invocation.api()
  const swarm = (await api.get<SwarmView>('/api/v1/swarm')).name
  await confirm(invocation, `${plain(name)} harms ${plain(agent)} of ${plain(swarm)}, which works.`, agent)
  const interrupt = new AbortController()
  for (const sign of ['SIGINT', 'SIGTERM'] as const) world.onSignal(sign, () => interrupt.abort())
  const [atMs, fromMs] = [world.clock.wallMs(), world.clock.monoMs()]
  const ask = { clock: world.clock, name, agent, interrupted: interrupt.signal }
  const { report, agent: victim } = await runLive({ ...ask, get: api.get, post: api.post })
  const tookMs = Math.round(world.clock.monoMs() - fromMs)
  const live = { swarm, agent: victim }
  const done = {
    id: runId(atMs),
    atMs,
    version: world.version,
    tookMs,
    held: report.held,
    leftovers: [],
    drills: [report],
    live,
  }
  const directory = await dataDirectory(invocation)
  if (directory !== undefined) await keepRun(world.disk, directory, done)
  if (printer.json) printer.document(done)
  else printer.lines([...reportLines(report, invocation), ...endLines(done)])
  return done.held ? 0 : 1
}

export const drill: Deed = async (invocation) => {
  const [name] = invocation.arguments
  if (invocation.options.flag('live')) return runOnCanary(invocation)
  if (name === 'ls') return list(invocation)
  return name === 'show' ? show(invocation) : run(invocation)
}
