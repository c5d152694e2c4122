/** The shell that ends the groups of a dead sitter. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { openReaper } from '../../src/cell/process/reaper.ts'
import { realProc } from '../../src/std/real/real.ts'
import type { Child, SpawnOptions } from '../../src/std/std.ts'
import { processes } from '../crash/machine.ts'
import { goneSoon } from './process-yard.ts'

const proc = realProc()
test('A reaper that is killed is started again, and told every group that lives', async () => {
  const shells: { readonly child: Child; readonly told: string[] }[] = []
  let news = (): void => {}
  const watched = {
    ...proc,
    spawn: async (options: SpawnOptions): Promise<Child> => {
      const child = await proc.spawn(options)
      const told: string[] = []
      shells.push({ child, told })
      const tell = (line: string): void => {
        told.push(line)
        child.tell(line)
        news()
      }
      return { ...child, tell }
    },
  }
  const reaper = openReaper(watched)
  await reaper.add(4_000_001)
  await reaper.add(4_000_002)
  reaper.remove(4_000_001)
  const again = new Promise<void>((resolve) => {
    news = () => {
      if (shells[1]?.told.length === 1) resolve()
    }
  })
  shells[0]!.child.kill('SIGKILL')
  await again
  expect(shells[1]!.told).toEqual(['+ 4000002'])
  reaper.remove(4_000_002)
  shells[1]!.child.kill('SIGKILL')
  await shells[1]!.child.ended
  // Nothing is left to guard: nothing is started.
  expect(shells).toHaveLength(2)
})

test('When its sitter is killed it ends the groups that live, no other, and then itself', async () => {
  const program = `
    import { openReaper } from ${JSON.stringify(new URL('../../src/cell/process/reaper.ts', import.meta.url).href)}
    import { realProc } from ${JSON.stringify(new URL('../../src/std/real/real.ts', import.meta.url).href)}
    const proc = realProc()
    const sleeper = () => proc.spawn({ command: '/bin/sleep', args: ['600'], env: {}, cwd: '/', ownGroup: true, dieWithParent: false })
    const [kept, removed] = [await sleeper(), await sleeper()]
    const reaper = openReaper(proc)
    await reaper.add(kept.identity.pid)
    await reaper.add(removed.identity.pid)
    reaper.remove(removed.identity.pid)
    setTimeout(() => console.log(JSON.stringify({ kept: kept.identity, removed: removed.identity })), 100)`
  const parent = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const line = await new Promise<string>((resolve) => createInterface({ input: parent.stdout }).once('line', resolve))
  const { kept, removed } = JSON.parse(line) as Record<'kept' | 'removed', Child['identity']>
  const shell = processes().find((one) => one.parent === parent.pid && one.command.includes('sitter-reaper'))!
  parent.kill('SIGKILL')
  await goneSoon(kept)
  await goneSoon(shell.pid)
  expect(proc.startTime(removed.pid)).toBe(removed.startTime)
  proc.killExactly(removed, 'SIGKILL')
})
