/** A drill holds only when everything about it was seen and held. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { keepRun, keptRuns } from '../../src/drill/history.ts'
import { check, reportOf, type DrillRun, type Found } from '../../src/drill/report.ts'
import { realDisk } from '../../src/std/real/real.ts'

const good: Found = {
  name: 'stop',
  what: 'a host is stopped',
  detectMs: 2_000,
  detectWithinMs: 3_000,
  recoverMs: 4_000,
  recoverWithinMs: 60_000,
  falseKills: 0,
  doubleEffects: 0,
  leftovers: [],
}

test('A drill in which all was seen in time and nothing else happened holds', () => {
  expect(reportOf(good)).toMatchObject({ held: true, detectMs: 2_000, recoverMs: 4_000 })
})

test.each([
  ['what was never found', { detectMs: null }],
  ['what was found too late', { detectMs: 3_001 }],
  ['what never came back', { recoverMs: null }],
  ['another cell that was ended', { falseKills: 1 }],
  ['a payment that was made twice', { doubleEffects: 1 }],
  ['a process that is left', { leftovers: ['42 node'] }],
  ['a check of its own', { more: [check('nobody asked again', false, '3')] }],
])('It does not hold with %s', (_what, change) => {
  const report = reportOf({ ...good, ...change })
  expect(report.held).toBe(false)
  expect(report.checks.filter(({ held }) => !held).length).toBe(1)
})

const runOf = (index: number): DrillRun => ({
  id: `drill_2026-01-01T00-00-${String(index).padStart(5, '0')}Z`,
  atMs: index,
  version: '0',
  tookMs: 1,
  held: true,
  leftovers: [],
  drills: [],
})

test('The newest hundred runs are kept, newest first, and what is torn is left out', async () => {
  const data = await mkdtemp(join(tmpdir(), 'drill-history-'))
  onTestFinished(() => rm(data, { recursive: true }))
  const disk = realDisk()
  for (let index = 0; index < 103; index += 1) await keepRun(disk, data, runOf(index))
  await disk.writeWhole(join(data, 'drills', 'drill_torn.json'), '{"id":', 0o600)
  const kept = await keptRuns(disk, data)
  expect([kept.length, kept[0]!.atMs, kept.at(-1)!.atMs]).toEqual([100, 102, 3])
})
