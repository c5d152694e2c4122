/** Promise R6 for a paying swarm: its disk fills while it works, and is freed. The bank's log lies on another disk. */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { judge } from '../crash/judge.ts'
import { programOf } from '../crash/machine.ts'
import { prepare, sitter, type Run } from '../crash/swarm.ts'
import { ask, isReady, newDirectory, until } from './api.ts'
import { cannotMount, mountDisk, skipped, type SmallDisk } from './tmpfs.ts'

const directory = newDirectory()
let disk: SmallDisk | undefined
let run: Run | undefined
afterEach(async () => {
  try {
    if (run) process.kill(-run.pid, 'SIGKILL')
  } catch {
    // It has ended already, as it should.
  }
  await run?.ended
  disk?.unmount()
  rmSync(directory, { recursive: true, force: true })
})

test.skipIf(cannotMount)(
  `a paying swarm whose disk fills answers 503, lives on, and pays the rest when there is room again${skipped}`,
  { timeout: 120_000 },
  async () => {
    const rows = 3_000
    const place = await prepare({ directory, agents: 60, rows, faults: { acceptThenCut: 0.02, error: 0.01 } })
    mkdirSync(place.data)
    mkdirSync(join(directory, 'bank'))
    disk = mountDisk(64, place.data)
    symlinkSync(join(directory, 'bank'), join(place.data, 'rehearsal'))
    run = sitter(place, 'up', place.config, '--settle', place.file, '--exit-when-idle')
    const accepted = (): number =>
      existsSync(place.log) ? readFileSync(place.log, 'utf8').split('"accepted"').length - 1 : 0
    await until('payments are under way', () => accepted() > 200, 60_000)
    const before = [programOf('sitter', place.data)?.pid, programOf('gate', place.data)?.pid]

    disk.fill()
    await until('readyz says 503', async () => {
      const answer = await ask(place, '/readyz')
      return answer !== 'lost' && answer.status === 503
    })
    const ready = JSON.stringify(await ask(place, '/readyz'))
    // Either may have room left in its log; when it is the sitter, nothing is paid and so nothing written any more.
    expect(ready).toMatch(/disk-full since|cannot write its journal/)
    if (ready.includes('disk-full since')) {
      const refused = await ask(place, '/api/v1/tasks', { type: 'settle', payload: {}, key: 'while-full' })
      expect(refused).toMatchObject({ status: 503, body: { code: 'disk-full' }, retryAfter: '5' })
    }
    expect(await ask(place, '/api/v1/tasks?limit=1')).toMatchObject({ status: 200 })
    const whileFull = accepted()
    await new Promise((resolve) => {
      setTimeout(resolve, 6_000)
    })
    // What was in the gate's journal when the disk filled may still arrive; nothing new is sent without a journal.
    expect(accepted() - whileFull).toBeLessThan(100)
    expect([programOf('sitter', place.data)?.pid, programOf('gate', place.data)?.pid]).toEqual(before)
    expect(await ask(place, '/livez')).toMatchObject({ status: 200 })

    disk.free()
    await until('readyz says 200', () => isReady(place), 20_000)
    expect([programOf('sitter', place.data)?.pid, programOf('gate', place.data)?.pid]).toEqual(before)
    const code = await run.ended
    expect({ code, output: code === 0 ? '' : run.output().slice(-2_000) }).toEqual({ code: 0, output: '' })
    for (const { title, wrong } of await judge(place, { rows })) expect({ title, wrong }).toEqual({ title, wrong: [] })
  },
)
