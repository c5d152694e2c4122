/**
 * `config …`: check a configuration, see what it would change, apply it, go back. Files are evaluated here, with the
 * rights of whoever asks; the sitter takes data only, and checks it again.
 */
import {
  explainPath,
  formatChange,
  loadConfig,
  parseConfig,
  planChange,
  readApplied,
  readPath,
  refuseBroken,
  tryAgents,
  withoutPasswords,
  type Applied,
  type ConfigChange,
  type ConfigPlan,
  type LoadedConfig,
} from '../../config/config.ts'
import { parseAgent } from '../../model/model.ts'
import { failure } from '../../std/std.ts'
import type { ConfigAnswer, ConfigCheckAnswer, ConfigVersionAnswer } from '../api.ts'
import { confirm, onlyDry, required } from './asking.ts'
import { configFile, namedDataDirectory, nearestDataDirectory } from './locate.ts'
import { explain as explainError } from './refusal.ts'
import { age, counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const load = async (invocation: Invocation): Promise<LoadedConfig> => {
  const { disk, proc, clock } = invocation.world
  const file = await configFile(invocation.world, invocation.arguments[0])
  const loaded = await loadConfig({ file, disk, proc, clock })
  for (const message of loaded.notLooked ?? []) invocation.printer.warn(plain(message))
  return loaded
}

/** What runs, without passwords: the sitter's word, else the applied file of a sitter that is down. */
const running = async (invocation: Invocation): Promise<Pick<ConfigAnswer, 'raw' | 'baseDirectory'>> => {
  const { world, options, printer } = invocation
  try {
    return await (await invocation.api()).get<ConfigAnswer>('/api/v1/config/current')
  } catch (error) {
    if (explainError(error).code !== 'no-sitter') throw error
    const directory = namedDataDirectory(world, options) ?? (await nearestDataDirectory(world))
    if (directory === undefined) throw error
    printer.note('no sitter answers: this is by the configuration that was applied last')
    const { raw, baseDirectory } = await readApplied(world.disk, directory)
    return { raw: withoutPasswords(raw), baseDirectory }
  }
}

const changeLines = (changes: readonly ConfigChange[]): string[] => changes.map((change) => plain(formatChange(change)))

const planLines = (plan: ConfigPlan): string[] => [
  ...changeLines(plan.changes),
  ...(plan.changes.length === 0 ? [] : ['']),
  ...plan.effects.map(plain),
]

/** Loads a configuration as `up` would, and tries its agents' modules; what could not be tried is warned of. */
export const loadChecked = async (
  invocation: Invocation,
): Promise<
  LoadedConfig & { readonly untried: readonly { readonly types: readonly string[]; readonly why: string }[] }
> => {
  const loaded = await load(invocation)
  const { disk, proc, clock } = invocation.world
  const { vmModuleFault } = await import('../../cell/cell.ts')
  const trials = await tryAgents({ disk, proc, clock, checkVm: vmModuleFault }, Object.values(loaded.config.agents))
  refuseBroken(trials, loaded.config, loaded.file)
  const untried = trials.filter(({ outcome }) => outcome === 'unknown')
  for (const { types, why } of untried)
    invocation.printer.warn(`${plain(types.join(', '))} could not be tried: ${plain(why)}`)
  return { ...loaded, untried }
}

export const configValidate: Deed = async (invocation) => {
  const { file, config, untried } = await loadChecked(invocation)
  const agents = Object.values(config.agents).reduce((sum, { count }) => sum + count, 0)
  invocation.printer.show({ valid: true, file, untried }, () => [
    `${plain(file)} is valid: ${counted(agents, 'agent')} of ${counted(Object.keys(config.agents).length, 'type')}`,
  ])
  return 0
}

export const configPlan: Deed = async (invocation) => {
  const { raw, ...candidate } = await load(invocation)
  const { raw: before, baseDirectory } = await running(invocation)
  const plan = planChange(
    { raw: before, baseDirectory, config: parseConfig(before, baseDirectory) },
    { ...candidate, raw: withoutPasswords(raw) },
  )
  invocation.printer.show(plan, () => planLines(plan))
  return 0
}

export const configShow: Deed = async (invocation) => {
  const { raw } = await running(invocation)
  invocation.printer.show(raw, () => JSON.stringify(raw, null, 2).split('\n').map(plain))
  return 0
}

/** With an agent the path is below its type, and its own override is looked at first. */
const pathFor = (text: string, raw: unknown, agentText: string | undefined): ReturnType<typeof readPath> => {
  const path = readPath(text)
  if (agentText === undefined) return path
  const agent = parseAgent(agentText)
  if (agent === undefined)
    throw failure('usage', `${JSON.stringify(agentText)} is no agent: write it like settler/0042`)
  const { agents } = raw as { readonly agents?: Readonly<Record<string, { readonly overrides?: object }>> }
  const overrides = agents?.[agent.type]?.overrides ?? {}
  const own = Object.entries(overrides).find(([key]) => {
    const ref = parseAgent(key)
    return ref?.type === agent.type && ref.number === agent.number
  })
  const overridden = own !== undefined && Object.hasOwn(own[1] as object, path[0] ?? '')
  return overridden ? ['agents', agent.type, 'overrides', own[0], ...path] : ['agents', agent.type, ...path]
}

export const configExplain: Deed = async (invocation) => {
  const text = required(invocation, 0)
  const { raw } = await running(invocation)
  const told = explainPath(raw, pathFor(text, raw, invocation.arguments[1]))
  invocation.printer.show(told, () => [
    `${plain(told.path)} = ${plain(JSON.stringify(told.value))}`,
    told.origin === 'default'
      ? 'the default: it is not in the file'
      : `written as ${plain(JSON.stringify(told.written))}`,
    ...(told.keys.length === 0 ? [] : [`keys: ${told.keys.join(' ')}`]),
  ])
  return 0
}

export const configHistory: Deed = async ({ api, printer, world }) => {
  const versions = await (await api()).all<ConfigVersionAnswer>('/api/v1/config/versions')
  const nowMs = world.clock.wallMs()
  printer.list(versions, ({ version }) => String(version), [
    { head: 'VERSION', value: ({ version }) => String(version), align: 'right' },
    { head: 'AGE', value: ({ wallMs }) => age(nowMs, wallMs), align: 'right' },
    { head: 'BY', value: ({ actor }) => actor },
    { head: 'CHANGES', value: ({ changes }) => String(changes.length), align: 'right' },
    { head: 'HASH', value: ({ hash }) => hash.slice(0, 12) },
    { head: 'FILE', value: ({ file }) => file, shrink: true },
  ])
  return 0
}

const versionNumber = (text: string): number => {
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw failure('usage', `${JSON.stringify(text)} is no version: sitter config history lists them`)
  return Number(text)
}

export const configDiff: Deed = async (invocation) => {
  const api = await invocation.api()
  const newest = (await api.all<ConfigVersionAnswer>('/api/v1/config/versions', {}, 1))[0]?.version ?? 0
  const [first, second] = invocation.arguments
  const to = second === undefined ? newest : versionNumber(second)
  const from = first === undefined ? to - 1 : versionNumber(first)
  if (from < 1) {
    invocation.printer.show({ from: null, to, changes: [] }, () => ['there is only one version'])
    return 0
  }
  const answer = await api.get<{ changes: readonly ConfigChange[] }>('/api/v1/config/diff', { from, to })
  invocation.printer.show(answer, () =>
    answer.changes.length === 0 ? [`versions ${from} and ${to} are the same`] : changeLines(answer.changes),
  )
  return 0
}

/** Agents that start again or stop because of it. */
const touched = ({ agents }: ConfigPlan): number =>
  agents.reduce((sum, { from, to, restarts }) => sum + restarts + Math.max(0, from - to), 0)

/**
 * Asked at a terminal when agents start again or stop; a script that says `apply` means it, and what begins the sitter
 * anew wants `--restart`.
 */
const agree = async (invocation: Invocation, plan: ConfigPlan): Promise<void> => {
  if (plan.restarts !== 'none') return confirm(invocation, 'The agents of this swarm start again.', 'apply')
  const count = touched(plan)
  if (count > 0 && invocation.world.stdin.isTerminal)
    await confirm(invocation, `${counted(count, 'agent')} of this swarm start again or stop.`, 'apply')
}

const gateLine: Readonly<Record<Applied['gate'], string[]>> = {
  unchanged: [],
  taken: ['the gate has taken it over'],
  unknown: ['the gate does not answer: it takes it over as soon as it is linked again'],
}

const appliedLines = ({ version, plan, gate }: Applied): string[] => [
  plan.restarts === 'none'
    ? `version ${version} is applied; \`sitter ps\` and \`sitter events\` show how agents follow it`
    : `version ${version} is applied; the sitter begins anew with it`,
  ...gateLine[gate],
]

/** Shows the plan, asks, and hands it over; `--restart` is the agreement that the sitter begins anew. */
const carryOut = async (
  invocation: Invocation,
  { plan, base }: ConfigCheckAnswer,
  send: (terms: { readonly restart: boolean; readonly base: string }) => Promise<Applied>,
): Promise<number> => {
  const { options, printer } = invocation
  if (!printer.json) printer.lines(planLines(plan))
  if (plan.changes.length === 0) {
    printer.show({ applied: false, plan }, () => [])
    return 0
  }
  if (onlyDry(invocation, 'apply it', { plan })) return 0
  const restart = options.flag('restart')
  if (plan.restarts === 'swarm' || (plan.restarts === 'sitter' && !restart)) {
    throw failure('restart-needed', `not applied: ${plan.effects[0] ?? ''}`, {
      facts: { wayOut: plan.restarts === 'swarm' ? 'sitter down, then sitter up' : 'agree to it with --restart' },
    })
  }
  await agree(invocation, plan)
  const applied = await send({ restart, base })
  printer.show(applied, () => appliedLines(applied))
  return 0
}

export const configApply: Deed = async (invocation) => {
  const { file, baseDirectory, raw } = await load(invocation)
  const api = await invocation.api()
  const candidate = { file, baseDirectory, raw }
  const checked = await api.post<ConfigCheckAnswer>('/api/v1/config/validate', candidate)
  return carryOut(invocation, checked, (terms) => api.post<Applied>('/api/v1/config/apply', { ...candidate, ...terms }))
}

export const configRollback: Deed = async (invocation) => {
  const version = versionNumber(required(invocation, 0))
  const api = await invocation.api()
  const { file, baseDirectory, raw } = await api.get<ConfigVersionAnswer & { raw: unknown }>(
    `/api/v1/config/versions/${version}`,
  )
  const checked = await api.post<ConfigCheckAnswer>('/api/v1/config/validate', { file, baseDirectory, raw })
  return carryOut(invocation, checked, (terms) => api.post<Applied>('/api/v1/config/rollback', { version, ...terms }))
}
