/**
 * The sitter and the parent of a cell are killed, in each order, and all at once, under the real command, while agents of
 * each kind have left daemons behind. Then the machine is looked at: processes, zombies, mounts, control groups, sockets,
 * temporary files, locks.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { isThere, processes, programOf, type Process } from '../crash/machine.ts'
import { leftOf, lookBefore } from '../hazards/swarm/left.ts'
import { Swarm } from './swarm.ts'

/** The promise gives orphans so long; a machine with much to do a little more. */
const orphanMs = 5_000
const patienceMs = 120_000
const module = join(import.meta.dirname, 'left-worker.ts')
const deaf = 'trap "" TERM HUP INT; while sleep 1; do :; done'
/** One process a task: it leaves a daemon with the mark, and goes on. */
const exec = [
  'sh',
  '-c',
  `mark=$(sed 's/.*mark":"//;s/".*//'); setsid sh -c '${deaf}' "$mark" >/dev/null 2>&1 & sleep 600`,
]
const pool = { run: { module }, count: 4, perCell: 2 }

const types = ['walled', 'bare', 'boxed', 'plain'] as const
const config = {
  name: 'left',
  agents: {
    walled: { ...pool, cell: { kind: 'pool', standby: 1 } },
    bare: { ...pool, cell: { kind: 'pool', standby: 0, walls: false } },
    boxed: { run: { exec }, count: 1, cell: { kind: 'sandbox', orWeaker: true } },
    plain: { run: { exec }, count: 1, cell: 'process' },
  },
  tasks: Object.fromEntries(types.map((agent) => [agent, { agent }])),
  api: { port: 0 },
}

const familyOf = (root: number): readonly Process[] => {
  const all = processes()
  const family = new Set([root])
  for (let size = 0; size !== family.size;) {
    size = family.size
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid)
  }
  return all.filter(({ pid }) => family.has(pid))
}

/** Asks until nothing is left of it, or the time is over. */
const nothingOf = async (look: () => readonly string[]): Promise<readonly string[]> => {
  let left = look()
  for (const end = performance.now() + orphanMs; left.length > 0 && performance.now() < end; left = look())
    await wait(50)
  return left
}

const withMark = (mark: string): readonly Process[] => processes().filter(({ command }) => command.includes(mark))

const orders = [
  ['the sitter, then the parent of a cell', ['sitter', 'parent']],
  ['the parent of a cell, then the sitter', ['parent', 'sitter']],
  ['watch, gate, sitter and the parent of a cell at once', ['watch', 'gate', 'sitter', 'parent']],
] as const

test.each(orders)(
  'Of what is killed nothing is left: %s',
  async (_, order) => {
    const before = lookBefore()
    const swarm = await Swarm.start(config)
    onTestFinished(async () => {
      await swarm.stop()
    })
    const mark = `left-${process.pid}-${order.join('-')}`
    for (const type of types) await swarm.submit(type, { mark })
    await swarm.until('daemons of all kinds', async () => withMark(mark).length >= 4)
    const daemons = withMark(mark)
    const sitter = programOf('sitter', swarm.data)!
    // All that may be left of: agents, what they started, what stands around them, what stands by.
    const cells = familyOf(sitter.pid).filter(({ pid }) => pid !== sitter.pid)
    const family = new Set([...familyOf(swarm.up.pid!), ...daemons].map(({ pid }) => pid))
    const [parent] = cells.filter(({ parent: above }) => cells.some(({ pid }) => pid === above) === false)
    const pids = {
      sitter: sitter.pid,
      gate: programOf('gate', swarm.data)!.pid,
      watch: swarm.up.pid!,
      parent: parent!.pid,
    }
    for (const one of order) {
      try {
        process.kill(pids[one], 'SIGKILL')
      } catch (error) {
        // It ended of the one before.
        if (one !== 'parent') throw error
      }
    }
    expect(
      await nothingOf(() => [...cells, ...daemons].filter(isThere).map(({ pid, command }) => `${pid} ${command}`)),
    ).toEqual([])
    if (order.length === 4) swarm.upAgain()
    await swarm.until('a sitter again', async () => {
      const now = programOf('sitter', swarm.data)
      return now !== undefined && now.pid !== sitter.pid
    })
    await swarm.idle('bare', 4)
    await swarm.run('down', '--within', '1s')
    expect(await nothingOf(() => leftOf(swarm.data, before, family))).toEqual([])
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(swarm.data)
  },
  patienceMs,
)
