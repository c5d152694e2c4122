/** `sitter drill` as a person runs it: one drill, its report, its history, and nothing left on the machine. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { DrillRun } from '../../src/drill/drill.ts'
import { processes } from '../crash/machine.ts'
import { run } from '../doors/cli/child.ts'

test('A drill that kills a host reports what it measured, is kept, and leaves neither process nor file', async () => {
  const directory = await mkdtemp(join('/tmp', 'd-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await mkdir(join(directory, '.sitter'))
  const env = { TMPDIR: directory }
  const { code, stdout, stderr } = await run(directory, ['drill', 'kill', '--json'], { env })
  expect(code, `${stdout}${stderr}`).toBe(0)
  const done = JSON.parse(stdout) as DrillRun
  expect(done).toMatchObject({ held: true, leftovers: [] })
  expect(done.drills).toMatchObject([{ name: 'kill', held: true, falseKills: 0, doubleEffects: 0, leftovers: [] }])
  expect(done.drills[0]!.detectMs).toBeGreaterThan(0)
  expect(done.drills[0]!.recoverMs).toBeGreaterThan(done.drills[0]!.detectMs!)
  expect(processes().filter(({ command }) => command.includes(directory))).toEqual([])
  expect((await readdir(directory)).toSorted()).toEqual(['.sitter'])

  const listed = JSON.parse((await run(directory, ['drill', 'ls', '--json'])).stdout) as { items: DrillRun[] }
  expect(listed.items).toEqual([done])
  const shown = await run(directory, ['drill', 'show', done.id])
  expect([shown.code, shown.stdout.includes('kill: a host of agents is ended by SIGKILL')]).toEqual([0, true])
}, 120_000)

test('A drill that nobody knows is refused before anything is started', async () => {
  const { code, stderr } = await run(tmpdir(), ['drill', 'earthquake'])
  expect([code, stderr.includes('record-locked')]).toEqual([3, true])
})
