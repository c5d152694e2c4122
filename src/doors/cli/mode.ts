/** `mode`: what is set, and a person's word. */
import { modes } from '../../model/model.ts'
import { failure } from '../../std/std.ts'
import type { EffectiveMode, ModeAnswer, ModeSetting, SwarmView } from '../api.ts'
import { confirm, onlyDry } from './asking.ts'
import type { Api } from './client.ts'
import { age, at, counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const exitText = ({ exit }: Pick<ModeSetting, 'exit'>): string => {
  if (exit.kind === 'owner') return exit.what ?? 'a person'
  return `${exit.at === undefined ? 'by itself' : at(exit.at)}${exit.what === undefined ? '' : `: ${exit.what}`}`
}

/** "parked for 3 m by token:ada: wrong payees; until …" */
export const modeText = (held: EffectiveMode, nowMs: number): string =>
  held.source === null || held.exit === null
    ? held.mode
    : plain(
        `${held.mode}, by ${held.target} for ${age(nowMs, held.sinceMs)}, set by ${held.actor}: ${held.reason}` +
          `; ends: ${exitText({ exit: held.exit })}`,
      )

const list = async ({ api, printer, world }: Invocation): Promise<number> => {
  const items = await (await api()).all<ModeSetting>('/api/v1/modes')
  const nowMs = world.clock.wallMs()
  if (items.length === 0 && !printer.json) {
    printer.note('every mode is active')
    return 0
  }
  printer.list<ModeSetting>(items, ({ target }) => target, [
    { head: 'TARGET', value: ({ target }) => target },
    { head: 'MODE', value: ({ mode }) => mode },
    { head: 'SINCE', value: ({ sinceMs }) => age(nowMs, sinceMs), align: 'right' },
    { head: 'BY', value: ({ actor }) => actor },
    { head: 'WHY', value: ({ reason }) => reason, shrink: true },
    { head: 'ENDS', value: exitText, shrink: true },
  ])
  return 0
}

const nothingSent = 'what changes anything outside is recorded and not sent'
const does: Partial<Record<string, string>> = {
  shadow: `${nothingSent}; payments are held for a person`,
  readonly: 'nothing that changes anything outside is sent; payments wait',
  parked: 'no work begins, no call and no payment goes out',
}

const agentsOf = ({ fleet }: SwarmView, target: string): number | null => {
  if (target === 'swarm') return fleet.agents
  const name = target.startsWith('type:') ? target.slice('type:'.length) : target
  const states = Object.hasOwn(fleet.byType, name) ? fleet.byType[name]! : null
  return states && Object.values(states).reduce<number>((sum, count) => sum + (count ?? 0), 0)
}

/**
 * Asked of a person at a terminal before more than one agent is kept from what it does, and before payments go out that
 * wait. A script means what it says, and what stops something must not be kept waiting for an answer.
 */
const asked = async (invocation: Invocation, api: Api, wanted: string, target: string): Promise<void> => {
  const { world, options } = invocation
  if (options.flag('yes') || !world.stdin.isTerminal || /\/\d+$/.test(target)) return
  const harm = does[wanted]
  if (harm !== undefined) {
    const agents = agentsOf(await api.get<SwarmView>('/api/v1/swarm'), target)
    const whom = agents === null ? plain(target) : `${plain(target)}, ${counted(agents, 'agent')}`
    return confirm(invocation, `${wanted} for ${whom}: ${harm}.`, agents === null ? target : String(agents))
  }
  const set = await api.all<ModeSetting>('/api/v1/modes')
  const holds = set.some(
    (one) => !one.target.startsWith('agent:') && (one.mode === 'readonly' || one.mode === 'parked'),
  )
  if (!holds) return
  const waiting = (await api.get<SwarmView>('/api/v1/swarm')).settle.byState['reserved']?.count ?? 0
  if (waiting > 0)
    await confirm(invocation, `${counted(waiting, 'payment')} that wait may go out by this.`, String(waiting))
}

export const mode: Deed = async (invocation) => {
  const [wanted, target = 'swarm'] = invocation.arguments
  if (wanted === undefined) return list(invocation)
  if (!(modes as readonly string[]).includes(wanted))
    throw failure('usage', `${JSON.stringify(wanted)} is no mode`, { facts: { wayOut: `one of ${modes.join(', ')}` } })
  const { options, printer } = invocation
  const reason = options.text('reason')
  // Read here for its fault; the sitter reads it again.
  options.duration('for')
  const time = options.text('for')
  const body = {
    mode: wanted,
    target,
    ...(reason !== undefined && { reason }),
    ...(time !== undefined && { for: time }),
  }
  if (onlyDry(invocation, `set ${target} to ${wanted}`, { verb: 'mode', ...body })) return 0
  const api = await invocation.api()
  await asked(invocation, api, wanted, target)
  const answer = await api.post<ModeAnswer>('/api/v1/modes', body)
  const stricter = answer.settings.filter((one) => one.source !== 'person' && one.mode === answer.mode)
  printer.show(answer, () => [
    `${plain(answer.target)} is ${answer.mode}`,
    ...(answer.mode === wanted ? [] : stricter.map((one) => plain(`still ${one.mode} by ${one.actor}: ${one.reason}`))),
    ...(answer.gate === 'taken' ? [] : ['the gate is not there to be told; it is told before it sends anything else']),
  ])
  return 0
}
