/** `mode`: what is set, and a person's word. */
import { modes } from '../../model/model.ts'
import { failure } from '../../std/std.ts'
import type { EffectiveMode, ModeAnswer, ModeSetting } from '../api.ts'
import { onlyDry } from './asking.ts'
import { age, at, plain } from './text.ts'
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
  const answer = await api.post<ModeAnswer>('/api/v1/modes', body)
  const stricter = answer.settings.filter((one) => one.source !== 'person' && one.mode === answer.mode)
  printer.show(answer, () => [
    `${plain(answer.target)} is ${answer.mode}`,
    ...(answer.mode === wanted ? [] : stricter.map((one) => plain(`still ${one.mode} by ${one.actor}: ${one.reason}`))),
    ...(answer.gate === 'taken' ? [] : ['the gate is not there to be told; it is told before it sends anything else']),
  ])
  return 0
}
