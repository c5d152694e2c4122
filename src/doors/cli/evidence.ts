/** `events`, `inbox`, `export`: what happened, what waits, and all of it. */
import { failure, sleep } from '../../std/std.ts'
import type { EventView, InboxCauses, InboxItem } from '../api.ts'
import { required } from './asking.ts'
import type { Api } from './client.ts'
import { exportKinds } from './completion.ts'
import { sseReader } from './sse.ts'
import { eventLine } from './story.ts'
import { tableLines, type Column } from './table.ts'
import { age, counted, plain, safeJson } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const reconnectAfterMs = 1_000

type Wanted = (event: EventView) => boolean

/** Follows the stream and takes it up again after the last event seen, for as long as the person wants. */
const follow = async (invocation: Invocation, api: Api, from: string | undefined, wanted: Wanted): Promise<number> => {
  const { printer, world, interrupted } = invocation
  let lastId = from
  let told = false
  while (!interrupted.aborted && !world.stdout.closed) {
    try {
      const read = sseReader()
      const headers = { accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) }
      for await (const line of api.lines('/api/v1/events', { headers })) {
        if (world.stdout.closed) return 0
        const message = read(line)
        if (message === undefined) continue
        if (told) {
          printer.note('the sitter answers again')
          told = false
        }
        if (message.id !== undefined) lastId = message.id
        if (message.data === '') continue
        const event = JSON.parse(message.data) as EventView
        if (!wanted(event)) continue
        if (printer.json) printer.jsonLine(message.data)
        else printer.line(eventLine(event))
      }
    } catch (error) {
      // Before the first event this is an ordinary failure; later it is a restart, and the stream resumes where it was.
      if (lastId === from && !told) throw error
    }
    if (!told) {
      printer.note('the sitter does not answer; trying again …')
      told = true
    }
    await sleep(world.clock, reconnectAfterMs, interrupted)
  }
  return interrupted.aborted ? 130 : 0
}

const usualEvents = 50
/** Events that a reader who follows sees first, to know where they are. */
const usualBefore = 10

export const events: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  const api = await invocation.api()
  const isFollowed = options.flag('follow')
  const since = options.duration('since')
  const [subject, kind] = [options.text('subject'), options.text('kind')]
  // The stream is of everything; its own words (`stream.…`) are for whoever reads it.
  const wanted: Wanted = (event) =>
    event.kind.startsWith('stream.') ||
    ((subject === undefined || event.subject === subject) &&
      (kind === undefined || `${event.kind}.`.startsWith(`${kind}.`)))
  const newest = await api.all<EventView>(
    '/api/v1/events',
    {
      subject,
      kind,
      sinceMs: since === undefined ? undefined : Math.max(0, world.clock.wallMs() - since),
      newestFirst: 'true',
    },
    options.whole('tail') ?? options.whole('limit') ?? (isFollowed ? usualBefore : usualEvents),
  )
  const inOrder = newest.toReversed()
  if (printer.json) for (const event of inOrder) printer.jsonLine(JSON.stringify(event))
  else printer.lines(inOrder.map(eventLine))
  if (isFollowed) return follow(invocation, api, inOrder.at(-1)?.seq.toString(), wanted)
  if (inOrder.length === 0 && !printer.json) printer.note('no events yet')
  return 0
}

type Waiting = Pick<InboxItem, 'kind' | 'count' | 'what' | 'sinceMs' | 'wayOut'>

/** A way out is to be typed: it has a line of its own, and is never cut. */
const printWaiting = <Row extends Waiting>(
  { printer, world }: Invocation,
  rows: readonly Row[],
  id: Column<Row>,
): void => {
  const nowMs = world.clock.wallMs()
  const [head = '', ...lines] = tableLines(
    rows,
    [
      { head: 'SINCE', value: (row) => age(nowMs, row.sinceMs), align: 'right' },
      { head: 'KIND', value: (row) => row.kind },
      id,
      { head: 'WHAT', value: (row) => row.what, shrink: true },
    ],
    printer.columns,
  )
  const wayOut = (index: number): string => printer.paint('dim', `       way out: ${plain(rows[index]!.wayOut)}`)
  printer.lines([printer.paint('dim', head), ...lines.flatMap((line, index) => [line, wayOut(index)])])
}

const byCause = async (invocation: Invocation, api: Api): Promise<number> => {
  const { items, more } = await api.get<InboxCauses>('/api/v1/inbox', { by: 'cause' })
  if (items.length === 0) {
    invocation.printer.note('nothing waits for a person')
    return 0
  }
  printWaiting(invocation, items, { head: 'COUNT', value: ({ count }) => String(count), align: 'right' })
  if (more) invocation.printer.note('there is more: only the first 5,000 things were looked at')
  return 4
}

/** By cause for people, one by one for programs and whoever asks for it. */
export const inbox: Deed = async (invocation) => {
  const { options, printer } = invocation
  const api = await invocation.api()
  if (!(printer.json || printer.quiet || options.flag('each'))) return byCause(invocation, api)
  const items = await api.all<InboxItem>('/api/v1/inbox')
  if (printer.json || printer.quiet) printer.list(items, (item) => item.id, [])
  else if (items.length === 0) printer.note('nothing waits for a person')
  else printWaiting(invocation, items, { head: 'ID', value: ({ id }) => id })
  return items.length === 0 ? 0 : 4
}

/** Written lines between two looks at whether the reader keeps up. */
const drainEvery = 256

export const exportKind: Deed = async (invocation) => {
  const { world } = invocation
  const kind = required(invocation, 0)
  if (!exportKinds.some((known) => known === kind)) {
    const later = kind === 'runs' ? 'runs of schedules are not built yet; ' : ''
    throw failure('usage', `${later}an export is one of ${exportKinds.join(', ')}`)
  }
  const api = await invocation.api()
  let written = 0
  for await (const line of api.lines(`/api/v1/export/${encodeURIComponent(kind)}`, {
    headers: { accept: 'application/x-ndjson' },
  })) {
    if (line === '') continue
    if (world.stdout.closed) break
    world.stdout.write(`${safeJson(line)}\n`)
    written += 1
    if (written % drainEvery === 0) await world.stdout.drained()
  }
  invocation.printer.note(counted(written, 'line'))
  return 0
}
