/** `alerts` and `incident`: what somebody must know of, who was told, and saying that it was seen. */
import { formatDuration } from '../../std/std.ts'
import type { AlertAnswer, EventView, IncidentDescription } from '../api.ts'
import { confirm, onlyDry, required } from './asking.ts'
import type { Printer } from './printer.ts'
import { eventLine } from './story.ts'
import { age, at, plain } from './text.ts'
import type { Deed } from './verb.ts'

const stateOf = (incident: AlertAnswer): string => {
  if (incident.resolvedMs !== null) return `over, ${incident.resolvedBy}`
  if (incident.ackedBy !== null) return `seen by ${incident.ackedBy}`
  return incident.silencedUntilMs ? 'silenced' : 'open'
}

const list = (printer: Printer, incidents: readonly AlertAnswer[], nowMs: number): void =>
  printer.list(incidents, (incident) => incident.id, [
    { head: 'SINCE', value: (one) => age(nowMs, one.openedMs), align: 'right' },
    { head: 'SEVERITY', value: (one) => one.severity },
    { head: 'STATE', value: stateOf },
    { head: 'KEY', value: (one) => one.key },
    { head: 'WHAT', value: (one) => one.title, shrink: true },
    { head: 'ID', value: (one) => one.id },
  ])

export const alertsList: Deed = async ({ api, printer, world }) => {
  const alerts = await (await api()).all<AlertAnswer>('/api/v1/alerts')
  if (alerts.length === 0 && !printer.json) printer.note('nothing is wrong that an alert is for')
  else list(printer, alerts, world.clock.wallMs())
  return alerts.length === 0 ? 0 : 4
}

export const incidentList: Deed = async ({ api, options, printer, world }) => {
  const wanted = options.flag('open') ? { open: 'true' } : {}
  const incidents = await (await api()).all<AlertAnswer>('/api/v1/incidents', wanted, options.whole('limit') ?? 100)
  if (incidents.length === 0 && !printer.json) printer.note('no incidents yet')
  else list(printer, incidents, world.clock.wallMs())
  return 0
}

const noticeLine = ({ kind, target, tries, ended, error, dueMs }: IncidentDescription['notices'][number]): string => {
  const result =
    ended === 'sent'
      ? 'sent'
      : ended === 'given-up'
        ? `given up after ${tries} tries: ${error}`
        : `${tries === 0 ? 'to be sent' : `${error}, again`} at ${at(dueMs ?? 0)}`
  return `  ${kind} to ${target}: ${result}`
}

/** A wall time is told as one, whatever else as it is. */
const factText = ([name, value]: readonly [string, unknown]): string =>
  name.endsWith('Ms') && typeof value === 'number' && value > earliestMs
    ? `  ${name.slice(0, -2)}: ${at(value)}`
    : `  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`
/** Smaller numbers are durations. */
const earliestMs = 1_000_000_000_000

/** What differs between two of a kind: ids, agents, numbers. */
const alike = ({ kind, message }: EventView): string =>
  `${kind} ${message.replaceAll(/\b[a-z]{3}_[\w-]+|\b[a-z][a-z0-9-]*\/[\d-]+|\d+/g, '#')}`

/** The first of each kind stands for all that are like it: forty losses of one cause hide what else there was. */
const folded = (events: readonly EventView[]): string[] => {
  const groups = [...Map.groupBy(events, alike).values()]
  return groups.map(([first, ...others]) => {
    const last = others.at(-1)
    const more = last === undefined ? '' : `  (and ${others.length} more like it until ${at(last.wallMs)})`
    return `  ${eventLine(first!)}${more}`
  })
}

const story = (incident: IncidentDescription, nowMs: number): string[] => {
  const { id, key, severity, title, facts, proposed, openedMs, resolvedMs, notices, timeLine } = incident
  const lasted = formatDuration(Math.round(((resolvedMs ?? nowMs) - openedMs) / 1_000) * 1_000)
  return [
    `${id}  ${severity}  ${key}  ${stateOf({ ...incident, silencedUntilMs: null })}`,
    title,
    `since ${at(openedMs)}, ${resolvedMs === null ? `for ${lasted} now` : `over after ${lasted}`}`,
    ...Object.entries(facts).map(factText),
    `proposed: ${proposed}`,
    ...(notices.length === 0 ? ['nobody was told: no target, or silenced'] : ['told:', ...notices.map(noticeLine)]),
    ...(timeLine === null
      ? ['it lies too far back for a time line: sitter events --limit tells more']
      : ['what happened and was done around it:', ...folded(timeLine)]),
  ].map(plain)
}

export const incidentShow: Deed = async (invocation) => {
  const id = required(invocation, 0)
  const path = `/api/v1/incidents/${encodeURIComponent(id)}`
  const incident = await (await invocation.api()).get<IncidentDescription>(path)
  invocation.printer.show(incident, () => story(incident, invocation.world.clock.wallMs()))
  return 0
}

export const incidentDeed =
  (order: 'ack' | 'resolve'): Deed =>
  async (invocation) => {
    const id = required(invocation, 0)
    const what = order === 'ack' ? `say that you have seen ${plain(id)}` : `call ${plain(id)} over`
    if (onlyDry(invocation, what, { verb: order, id })) return 0
    const path = `/api/v1/incidents/${encodeURIComponent(id)}/${order}`
    const answer = await (await invocation.api()).post<unknown>(path)
    invocation.printer.show(answer, () => [order === 'ack' ? `${plain(id)} is seen` : `${plain(id)} is over`])
    return 0
  }

export const silence: Deed = async (invocation) => {
  const prefix = invocation.arguments[0] ?? ''
  const { options, printer } = invocation
  const about = prefix === '' ? 'everything' : `what begins with ${plain(prefix)}`
  if (options.flag('end')) {
    if (onlyDry(invocation, `end the silence about ${about}`, { prefix, end: true })) return 0
    printer.show(await (await invocation.api()).post<unknown>('/api/v1/alerts/unsilence', { prefix }), () => [
      `the silence about ${about} is over`,
    ])
    return 0
  }
  const forText = options.text('for') ?? '1h'
  if (onlyDry(invocation, `send nothing about ${about} for ${plain(forText)}`, { prefix, for: forText })) return 0
  if (prefix === '') await confirm(invocation, `Nobody is woken by anything for ${plain(forText)}.`, 'everything')
  const wanted = { prefix, for: forText }
  const answer = await (await invocation.api()).post<{ untilMs: number }>('/api/v1/alerts/silence', wanted)
  printer.show(answer, () => [
    `nothing is sent about ${about} until ${at(answer.untilMs)}; it is recorded all the same`,
  ])
  return 0
}
