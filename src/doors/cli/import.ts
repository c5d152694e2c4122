/**
 * `task import`: a task for each row of a CSV file or line of an NDJSON file. The file is read as it is sent, so its
 * size does not matter; each row has a key of its own, so running it again takes only what was not taken.
 */
import { createHash } from 'node:crypto'
import { basename, dirname, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { asFailure, canonicalJson, failure, parseExactly, sleep } from '../../std/std.ts'
import type { BatchLine, BatchEnd } from '../api.ts'
import { onlyDry, required } from './asking.ts'
import type { Api } from './client.ts'
import { makeLive } from './live.ts'
import { Refusal } from './refusal.ts'
import { count, counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

/** Rows in one request, and about the characters: one commit at the other end, and a bar that moves. */
const together = { rows: 1_000, characters: 512 * 1024 } as const
const longestLine = 1_048_576
/** Refusals that are told one by one. */
const mostTold = 20
const mostTries = 6
const firstPauseMs = 500

interface Row {
  readonly line: number
  readonly payload: unknown
  /** Why it is no row. */
  readonly fault?: string
}
interface File {
  readonly name: string
  readonly bytes: number
  read(): AsyncIterable<Uint8Array>
  /** Bytes read so far. */
  done: number
}

const openFile = async ({ world }: Invocation, given: string): Promise<File> => {
  const path = resolve(world.directory, given)
  const folder = world.folder(dirname(path))
  const found = (await folder.list()).find(({ name }) => name === basename(path))
  if (found === undefined) throw failure('usage', `${path} is not there, or is no regular file`)
  const file: File = {
    name: found.name,
    bytes: found.bytes,
    done: 0,
    read: async function* read() {
      for await (const chunk of folder.read(found.name, 0)) {
        file.done += chunk.length
        yield chunk
      }
    },
  }
  return file
}

async function* ndjsonRows(file: File): AsyncGenerator<Row, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let line = 0
  const parse = (text: string): Row[] => {
    line += 1
    if (text.trim() === '') return []
    try {
      return [{ line, payload: parseExactly(text) }]
    } catch (error) {
      return [{ line, payload: null, fault: (error as Error).message }]
    }
  }
  for await (const chunk of file.read()) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop()!
    if (rest.length > longestLine) throw failure('file-invalid', `${file.name}, line ${line + 1} is over 1 MiB`)
    for (const part of parts) yield* parse(part)
  }
  yield* parse(rest + decoder.decode())
}

async function* csvRows(file: File): AsyncGenerator<Row, void> {
  const { parse } = await import('csv-parse')
  const parser = parse({
    columns: true,
    bom: true,
    skip_empty_lines: true,
    max_record_size: longestLine,
    info: true,
    relax_column_count: true,
  })
  const source = Readable.from(file.read())
  source.on('error', (error) => parser.destroy(error))
  try {
    for await (const { record, info } of source.pipe(parser) as AsyncIterable<{
      record: Record<string, string>
      info: { lines: number; error?: { record: unknown } }
    }>) {
      const row = { line: info.lines, payload: record }
      yield info.error === undefined ? row : { ...row, fault: 'it has another number of columns than the head' }
    }
  } catch (error) {
    throw failure('file-invalid', `${file.name}: ${(error as Error).message}`, { cause: error })
  }
}

/** The whole file before anything is sent: all that is wrong with it is told at once, and nothing is half taken. */
const check = async (file: File, rows: AsyncIterable<Row>, task: (row: Row) => object): Promise<number> => {
  const faults: string[] = []
  let [number, wrong] = [0, 0]
  for await (const row of rows) {
    number += 1
    const fault = row.fault ?? faultOf(() => task(row))
    if (fault === undefined) continue
    wrong += 1
    if (faults.length < mostTold) faults.push(`line ${row.line}: ${plain(fault)}`)
  }
  file.done = 0
  if (wrong === 0) return number
  const how = `${counted(wrong, 'line')} of ${count(number)} cannot be taken; nothing was submitted`
  throw failure('file-invalid', `${plain(file.name)}: ${how}`, { facts: { faults, count: wrong } })
}

const faultOf = (deed: () => unknown): string | undefined => {
  try {
    deed()
    return undefined
  } catch (error) {
    return asFailure(error).message
  }
}

const keyOf = (row: Row, type: string, field: string | undefined): string => {
  if (field === undefined) {
    const text = `${type}\n${canonicalJson(row.payload)}`
    return `import-${createHash('sha256').update(text).digest('hex').slice(0, 32)}-${row.line}`
  }
  const fields = row.payload as Readonly<Record<string, unknown>> | null
  const value =
    typeof fields === 'object' && fields !== null && Object.hasOwn(fields, field) ? fields[field] : undefined
  if ((typeof value === 'string' && value !== '') || typeof value === 'number') return String(value)
  throw failure('file-invalid', `it has no ${plain(field)} to be its key`)
}

interface Sent {
  created: number
  existed: number
  refused: number
}

const mayPass = (error: unknown): boolean =>
  error instanceof Refusal
    ? error.problem.status === 429 || error.problem.status === 503
    : asFailure(error).kind === 'transient'

/** One request, again after a pause while the other end has no room or is away: keys make that harmless. */
const send = async (invocation: Invocation, api: Api, body: string): Promise<BatchLine[]> => {
  for (let tried = 1; ; tried += 1) {
    try {
      const lines: BatchLine[] = []
      let whole = false
      const post = { type: 'application/x-ndjson', body }
      for await (const line of api.lines('/api/v1/tasks:batch', { post })) {
        const said = JSON.parse(line) as BatchLine | BatchEnd
        if ('end' in said) whole = true
        else lines.push(said)
      }
      if (whole) return lines
      throw failure('no-sitter', 'the answer was cut off before its last line')
    } catch (error) {
      if (!mayPass(error)) throw error
      if (tried >= mostTries || invocation.interrupted.aborted) throw error
      await sleep(invocation.world.clock, firstPauseMs * 2 ** (tried - 1), invocation.interrupted)
    }
  }
}

interface Packet {
  readonly rows: readonly Row[]
  readonly body: string
}

async function* packets(rows: AsyncIterable<Row>, task: (row: Row) => object): AsyncGenerator<Packet, void> {
  let held: Row[] = []
  let body = ''
  for await (const row of rows) {
    held.push(row)
    body += `${JSON.stringify(task(row))}\n`
    if (held.length < together.rows && body.length < together.characters) continue
    yield { rows: held, body }
    held = []
    body = ''
  }
  if (held.length > 0) yield { rows: held, body }
}

const barColumns = 40
const barOf = (file: File): string => {
  const done = Math.min(barColumns, Math.floor((file.done / Math.max(1, file.bytes)) * barColumns))
  return `${'━'.repeat(done)}${'─'.repeat(barColumns - done)} ${Math.floor((done / barColumns) * 100)} %`
}

const isCsv = (name: string): boolean => {
  if (/\.csv$/i.test(name)) return true
  if (/\.(ndjson|jsonl)$/i.test(name)) return false
  throw failure('usage', `${plain(name)}: the name must end in .csv, .ndjson or .jsonl`)
}

export const taskImport: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  const type = required(invocation, 0)
  const file = await openFile(invocation, required(invocation, 1))
  const rows = isCsv(file.name) ? csvRows : ndjsonRows
  const [field, priority] = [options.text('key'), options.whole('priority')]
  const task = (row: Row): object => ({ type, payload: row.payload, key: keyOf(row, type, field), priority })
  const number = await check(file, rows(file), task)
  if (options.flag('dryRun')) {
    onlyDry(invocation, `submit ${counted(number, 'task')} of type ${plain(type)}`, { type, rows: number })
    return 0
  }
  const api = await invocation.api()
  const live = makeLive(world, printer.quiet || printer.json)
  const sent: Sent = { created: 0, existed: 0, refused: 0 }
  try {
    for await (const packet of packets(rows(file), task)) {
      for (const answer of await send(invocation, api, packet.body)) {
        if ('outcome' in answer) sent[answer.outcome === 'created' ? 'created' : 'existed'] += 1
        else {
          sent.refused += 1
          const line = packet.rows[answer.item - 1]?.line
          if (sent.refused <= mostTold) live.message(`line ${line}: ${answer.code}: ${plain(answer.detail)}`)
        }
      }
      const what = `${count(sent.created)} new, ${count(sent.existed)} known, ${count(sent.refused)} refused`
      live.show([what, barOf(file)], { what, pace: barOf(file).split(' ').slice(1).join(' ') })
    }
  } catch (error) {
    printer.warn(`${count(sent.created + sent.existed)} rows were taken before this failed; run it again for the rest`)
    throw error
  } finally {
    live.end()
  }
  printer.show(sent, () => [
    `${counted(sent.created, 'new task')}, ${count(sent.existed)} known already, ${count(sent.refused)} refused`,
  ])
  return sent.refused > 0 ? 1 : 0
}
