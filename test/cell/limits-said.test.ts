/** What is said of each limit is what the machine does: the words for each driver, and each limit tried here. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { probeMachine } from '../../src/cell/cell.ts'
import { limitAbilities } from '../../src/cell/limits/abilities.ts'
import type { LimitDriver, LimitGroup } from '../../src/cell/limits/port.ts'
import { resourceLimits } from '../../src/cell/limits/resources.ts'

const machine = await probeMachine({ name: `swarmsitter-said-${process.pid}`, settle: true })
afterAll(() => machine.limits.close())

const files = { verdict: 'enforced', says: 'files', fix: null } as const
const verdicts = (driver: Pick<LimitDriver, 'kind' | 'bounds' | 'why'>, hasDisk: boolean | null): object =>
  Object.fromEntries(
    Object.entries(limitAbilities({ driver: driver as LimitDriver, isTried: true, hasDisk, files })).map(
      ([name, { verdict, fix }]) => [name, verdict === 'enforced' || fix !== null ? verdict : 'without a way out'],
    ),
  )

test('Each limit has its own word: by groups, by prlimit, and by nothing', () => {
  const all = { memory: 'enforced', cpu: 'enforced', processes: 'enforced' } as const
  const others = { limits: 'enforced', files: 'enforced', 'group-kill': 'enforced' }
  for (const kind of ['cgroup1', 'cgroup2'] as const)
    expect(verdicts({ kind, bounds: all, why: null }, true)).toEqual({ ...all, ...others, disk: 'enforced' })
  const coarse = { memory: 'weaker', cpu: 'absent', processes: 'absent' } as const
  expect(verdicts({ kind: 'rlimits', bounds: coarse, why: 'none here' }, null)).toEqual({
    memory: 'weaker',
    cpu: 'absent',
    processes: 'weaker',
    limits: 'weaker',
    disk: 'absent',
    files: 'enforced',
    'group-kill': 'weaker',
  })
  const nothing = { ...coarse, memory: 'absent' } as const
  expect(verdicts({ kind: 'rlimits', bounds: nothing, why: 'none here' }, false)).toMatchObject({
    memory: 'absent',
    processes: 'absent',
    limits: 'absent',
    disk: 'absent',
  })
})

test('What was not tried is not said to be: a look at version 2 hands no controllers down', () => {
  const driver = { kind: 'cgroup2', bounds: {}, why: null } as unknown as LimitDriver
  const { memory } = limitAbilities({ driver, isTried: false, hasDisk: true, files })
  expect(memory.says).toContain('tried when a sitter starts')
})

const run = promisify(execFile)
const limits = { memoryBytes: 80_000_000, cpus: 0.2, processes: 12, files: 61 }
const inside = async (group: LimitGroup, script: string): Promise<string> => {
  const [program = '', ...words]: readonly string[] = [...group.before, ...group.within, '/bin/sh', '-c', script]
  return run(program, words, { timeout: 20_000 }).then(
    ({ stdout }) => stdout,
    (error: { stdout: string; signal: string | null }) => `${error.stdout}${error.signal ?? 'failed'}`,
  )
}

/** What each limit does where it holds. */
const tries = {
  memory: async (group: LimitGroup) => {
    await inside(group, 'head -c 200000000 /dev/zero | tail -c 190000000 > /dev/null')
    return (await group.counts()).oomKills
  },
  cpu: async (group: LimitGroup) => {
    await inside(group, 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done')
    return (await group.counts()).throttledMs
  },
  processes: async (group: LimitGroup) => {
    await inside(group, 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1 & done')
    return (await group.counts()).forksRefused
  },
} as const

describe(`The limits of this machine (${machine.limits.kind}) are what doctor says of them`, () => {
  for (const name of ['memory', 'cpu', 'processes'] as const)
    test(`${name}: ${machine.abilities[name].verdict}`, async () => {
      const group = await machine.limits.open(`said-${name}`, limits)
      try {
        const did = await tries[name](group)
        if (machine.abilities[name].verdict === 'enforced') expect(did).toBeGreaterThan(0)
        else expect(did).toBeNull()
      } finally {
        await group.remove()
      }
    })

  test(`files: ${machine.abilities.files.verdict}`, async () => {
    const group = await machine.limits.open('said-files', limits)
    const said = await inside(group, 'ulimit -n')
    await group.remove()
    expect(said.trim() === '61').toBe(machine.abilities.files.verdict === 'enforced')
  })

  test('Where groups are not to be had, the same is said of what prlimit does', async () => {
    const group = await resourceLimits('not here').open('any', limits)
    expect((await inside(group, 'ulimit -n; ulimit -d')).split('\n').slice(0, 2)).toEqual(['61', '1048576'])
    expect(group.memoryBytes()).toBeNull()
    expect(await group.counts()).toEqual({ oomKills: null, forksRefused: null, throttledMs: null })
  })
})
