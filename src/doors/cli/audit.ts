/** `audit verify`, `search`, `checkpoint`: whether the record is whole, and what it says about whom. */
import { resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import type { Anchor } from '../../record/record.ts'
import type { AuditAnswer, AuditRow, AuditVerdict, Checkpoint } from '../api.ts'
import { at, counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const verifyWithinMs = 600_000

/** "verified: 40,123 entries, head …" or which entry is broken and why. */
export const auditLine = (verdict: AuditVerdict): string =>
  verdict.ok
    ? `verified: ${counted(verdict.entries, 'entry', 'entries')}, head ${plain(verdict.head)}`
    : `BROKEN at entry ${verdict.firstBad ?? 'unknown'}: ${plain(verdict.why ?? 'no reason was given')}`

const notAnAnchor = (path: string): Error =>
  failure('usage', `${path} is no anchor: it needs a number \`seq\` and a \`hash\` of 64 hexadecimal digits`, {
    facts: { wayOut: '`sitter audit checkpoint --json > anchor.json` writes one' },
  })

const readAnchor = async ({ options, world }: Invocation): Promise<Anchor | undefined> => {
  const given = options.text('anchor')
  if (given === undefined) return undefined
  const path = resolve(world.directory, given)
  const text = await world.disk.readTextIfThere(path)
  if (text === undefined)
    throw failure('not-found', `there is no file ${path}`, { facts: { wayOut: 'check the path' } })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw notAnAnchor(path)
  }
  const { seq, hash } = (value ?? {}) as { seq?: unknown; hash?: unknown }
  if (!Number.isSafeInteger(seq) || typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) throw notAnAnchor(path)
  return { seq: seq as number, hash }
}

export const auditVerify: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  const anchor = await readAnchor(invocation)
  const record = options.text('record')
  const query = anchor === undefined ? {} : { seq: anchor.seq, hash: anchor.hash }
  const verdict =
    record === undefined
      ? await (await invocation.api()).get<AuditVerdict>('/api/v1/audit/verify', query, verifyWithinMs)
      : await (await import('../../record/record.ts')).verifyRecordFile(resolve(world.directory, record), anchor)
  const known = anchor === undefined || !verdict.ok ? [] : [`the anchor's entry ${anchor.seq} is in it`]
  printer.show(verdict, () => [auditLine(verdict), ...known])
  return verdict.ok ? 0 : 1
}

export const auditCheckpoint: Deed = async ({ api, printer }) => {
  const kept = await (await api()).get<Checkpoint>('/api/v1/audit/checkpoint')
  printer.show(kept, () => [`entry ${kept.seq} of ${plain(kept.swarm)}, ${at(kept.atMs)}`, plain(kept.hash)])
  if (!printer.json) printer.note('keep it with --json in a file on another machine: audit verify --anchor <file>')
  return 0
}

type Said = Omit<AuditRow, 'seq'>

const said = (entry: string): Said => {
  try {
    return JSON.parse(entry) as Said
  } catch {
    return {} // tampered with: `audit verify` names it
  }
}

const factsText = ({ facts = {} }: AuditRow): string =>
  Object.entries(facts)
    .filter(([, value]) => value !== '' && value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')

export const auditSearch: Deed = async ({ api, options, printer, world }) => {
  const sinceMs = options.duration('since')
  const filter = {
    actor: options.text('actor'),
    action: options.text('action'),
    object: options.text('object'),
    text: options.text('text'),
    sinceMs: sinceMs === undefined ? undefined : Math.max(0, world.clock.wallMs() - sinceMs),
  }
  const rows = await (await api()).all<AuditAnswer>('/api/v1/audit/entries', filter, options.whole('limit'))
  const read = rows.map(({ seq, entry }): AuditRow => ({ ...said(entry), seq }))
  printer.list(read, (one) => String(one.seq), [
    { head: 'ENTRY', value: (one) => String(one.seq), align: 'right' },
    { head: 'AT', value: (one) => (one.ts === undefined ? 'unknown' : at(one.ts)) },
    { head: 'ACTOR', value: (one) => one.actor ?? 'unknown' },
    { head: 'ACTION', value: (one) => one.action ?? 'unknown' },
    { head: 'OBJECT', value: (one) => one.object ?? 'unknown' },
    { head: 'DECISION', value: (one) => one.decision ?? 'unknown' },
    { head: 'FACTS', value: factsText, shrink: true },
  ])
  return 0
}
