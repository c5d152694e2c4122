/** What is left when a sitter dies, and what the next one does about it. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sweepCells } from '../../src/cell/cell.ts'
import { canDieWithParent, realDisk, realProc } from '../../src/std/real/real.ts'
import type { Child, ProcessIdentity } from '../../src/std/std.ts'
import { villain } from './harness.ts'

const proc = realProc()
const disk = realDisk()
let directory: string
let left: Child[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'orphans-'))
})
afterEach(async () => {
  for (const child of left) child.kill('SIGKILL')
  await Promise.all(left.map((child) => child.ended))
  left = []
  await rm(directory, { recursive: true, force: true })
})

/** A process that the sweep may find. */
const stray = async (): Promise<Child> => {
  const child = await proc.spawn({
    command: process.execPath,
    args: [villain('mute')],
    env: {},
    cwd: directory,
    ownGroup: false,
    dieWithParent: false,
  })
  left.push(child)
  return child
}

const goneWithin = async (identity: ProcessIdentity, withinMs: number): Promise<boolean> => {
  for (const end = performance.now() + withinMs; performance.now() < end;) {
    if (proc.startTime(identity.pid) !== identity.startTime) return true
    await new Promise((resolve) => setImmediate(resolve))
  }
  return false
}

/** Processes whose environment names the text. */
const naming = async (text: string): Promise<number[]> => {
  const found: number[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
    if (environment.includes(text)) found.push(Number(pid))
  }
  return found
}

const alsoLooping = canDieWithParent
  ? 'also one whose loop never ends'
  : 'no setpriv here: an endless loop is not tried'
test(`Cells and hosts that stand by die with a sitter that is killed; ${alsoLooping}`, async () => {
  const parent = spawn(
    process.execPath,
    ['--conditions=source', '--disable-warning=ExperimentalWarning', villain('parent'), directory, villain('stubborn')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const line = await new Promise<string>((resolve) => createInterface({ input: parent.stdout }).once('line', resolve))
  const told = JSON.parse(line) as { looping: boolean; identities: readonly ProcessIdentity[] }
  const [calm, looping, ahead] = told.identities as [ProcessIdentity, ProcessIdentity, ProcessIdentity]
  expect(told.looping).toBe(true)
  expect(proc.startTime(calm.pid)).toBe(calm.startTime)
  expect(proc.startTime(looping.pid)).toBe(looping.startTime)
  expect(await naming(directory)).toEqual(expect.arrayContaining([calm.pid, looping.pid, ahead.pid]))
  parent.kill('SIGKILL')
  const aheadGone = await goneWithin(ahead, 5_000)
  const calmGone = await goneWithin(calm, 5_000)
  const loopingGone = canDieWithParent && (await goneWithin(looping, 5_000))
  const left = (await naming(directory)).filter((pid) => canDieWithParent || pid !== looping.pid)
  for (const identity of told.identities) proc.killExactly(identity, 'SIGKILL')
  const all = { aheadGone: true, calmGone: true, loopingGone: canDieWithParent, left: [] }
  expect({ aheadGone, calmGone, loopingGone, left }).toEqual(all)
})

test('The sweep ends exactly what an older sitter left, and removes its directories', async () => {
  const [host, decoy] = await Promise.all([stray(), stray()])
  const place = (id: string): string => join(directory, id)
  for (const id of ['cel_left', 'cel_decoy', 'cel_dead']) await disk.makeDirectory(place(id), 0o700)
  const { pid, startTime } = decoy.identity
  const swept = await sweepCells({ proc, disk }, [
    { id: 'cel_left', identity: host.identity, directory: place('cel_left') },
    { id: 'cel_decoy', identity: { pid, startTime: String(Number(startTime) - 1) }, directory: place('cel_decoy') },
    { id: 'cel_dead', identity: { pid: 4_000_000, startTime: '1' }, directory: place('cel_dead') },
    { id: 'cel_none', identity: { pid: 4_000_000, startTime: '1' }, directory: place('cel_none') },
    { id: 'cel_odd', identity: { pid: 4_000_000, startTime: '1' }, directory },
  ])
  expect(swept).toEqual([
    { id: 'cel_left', process: 'killed', directory: 'removed', why: null },
    { id: 'cel_decoy', process: 'stranger', directory: 'removed', why: null },
    { id: 'cel_dead', process: 'gone', directory: 'removed', why: null },
    { id: 'cel_none', process: 'gone', directory: 'absent', why: null },
    { id: 'cel_odd', process: 'gone', directory: 'kept', why: `${directory} is not the directory of cel_odd` },
  ])
  expect(await host.ended).toMatchObject({ signal: 'SIGKILL' })
  expect(proc.startTime(pid)).toBe(startTime)
  expect(await disk.exists(directory)).toBe(true)
})
