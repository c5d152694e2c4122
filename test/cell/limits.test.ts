/** Limits: what is written to control groups of either version, and what the kernel of this machine makes of it. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { countsOf, ownGroups, settingsOf } from '../../src/cell/limits/dialect.ts'
import { openLimits } from '../../src/cell/limits/open.ts'
import type { CellLimits, LimitDriver } from '../../src/cell/limits/port.ts'
import { resourceWords } from '../../src/cell/limits/resources.ts'
import { hitsBetween } from '../../src/cell/walls.ts'
import { realProc } from '../../src/std/real/real.ts'

const run = promisify(execFile)
const proc = realProc()
const limits: CellLimits = { memoryBytes: 80_000_000, cpus: 0.2, processes: 12, files: 64 }

describe('What is written', () => {
  test('Version 2 bounds memory without swap, ends a cell whole, and counts CPU in shares of a tenth of a second', () => {
    const written = settingsOf(2, limits).map(({ file, value }) => `${file}=${value}`)
    expect(written).toEqual([
      'memory.max=80000000',
      'memory.swap.max=0',
      'memory.oom.group=1',
      'pids.max=12',
      'cpu.max=20000 100000',
    ])
    expect(settingsOf(2, { ...limits, cpus: null }).map(({ controller }) => controller)).not.toContain('cpu')
  })

  test('Version 1 says the same in its own words', () => {
    expect(settingsOf(1, limits).map(({ file, value }) => `${file}=${value}`)).toEqual([
      'memory.limit_in_bytes=80000000',
      'memory.memsw.limit_in_bytes=80000000',
      'pids.max=12',
      'cpu.cfs_period_us=100000',
      'cpu.cfs_quota_us=20000',
    ])
  })

  test('Counters are read in the units of their version; what a kernel does not count is null, not zero', () => {
    const two = { memory: 'oom 3\noom_kill 2\noom_group_kill 1\n', pids: 'max 7\n', cpu: 'throttled_usec 1500000\n' }
    expect(countsOf(2, two)).toEqual({ oomKills: 2, forksRefused: 7, throttledMs: 1_500 })
    const one = { memory: 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n', pids: undefined, cpu: 'throttled_time 9\n' }
    expect(countsOf(1, one)).toEqual({ oomKills: 1, forksRefused: null, throttledMs: 0 })
  })

  test('A cause is named by what a counter grew, and by nothing else', () => {
    const none = { oomKills: 0, forksRefused: 0, throttledMs: 0 }
    expect(hitsBetween(none, none, limits)).toEqual([])
    expect(hitsBetween({ ...none, oomKills: null }, { ...none, oomKills: null }, limits)).toEqual([])
    expect(hitsBetween({ ...none, oomKills: 1 }, { ...none, oomKills: 2 }, limits)).toEqual([
      { limit: 'memory', says: 'out of memory: the kernel killed it or a process of it at 80 MB' },
    ])
  })
})

describe('Where we are in the hierarchies', () => {
  test('Mounts and paths of both versions are put together', () => {
    const mounts = [
      '30 24 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
      '31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
      '33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
    ].join('\n')
    const cgroup = '5:memory:/a/b\n4:cpu,cpuacct:/\n1:name=systemd:/x\n0::/user.slice\n'
    expect(ownGroups(mounts, cgroup)).toEqual({
      1: { memory: '/sys/fs/cgroup/memory/a/b', cpu: '/sys/fs/cgroup/cpu,cpuacct' },
      2: '/sys/fs/cgroup/unified/user.slice',
    })
  })

  test('A container sees a part of the hierarchy, and its own path begins with that part', () => {
    const mounts = '33 24 0:29 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw'
    expect(ownGroups(mounts, '0::/docker/abc/sitter\n')[2]).toBe('/sys/fs/cgroup/sitter')
    expect(ownGroups('', '0::/x\n')).toEqual({ 1: {}, 2: undefined })
  })
})

describe('Version 2 as files, on a machine that tests make up', () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'groups-'))
  })
  afterAll(() => rm(root, { recursive: true, force: true }))

  /** A group with these members, and a /proc that says that we live in it. */
  const machineWith = async (name: string, controllers: string, pids: readonly number[]): Promise<string> => {
    const [own, proc] = [join(root, name, 'own'), join(root, name, 'proc')]
    await mkdir(own, { recursive: true })
    await mkdir(join(proc, 'self'), { recursive: true })
    await writeFile(join(own, 'cgroup.controllers'), controllers)
    await writeFile(join(own, 'cgroup.type'), 'domain\n')
    await writeFile(join(own, 'cgroup.procs'), pids.join('\n'))
    await writeFile(join(proc, 'self', 'mountinfo'), `33 24 0:29 / ${join(root, name)} rw - cgroup2 cgroup2 rw`)
    await writeFile(join(proc, 'self', 'cgroup'), '0::/own\n')
    for (const [pid, parent, group] of [
      [process.ppid, 1, process.ppid],
      [process.pid, process.ppid, process.ppid],
      [4_000_001, 1, 4_000_001],
    ] as const) {
      await mkdir(join(proc, String(pid)), { recursive: true })
      await writeFile(join(proc, String(pid), 'stat'), `${pid} (a ) b) S ${parent} ${group} 0`)
    }
    return proc
  }
  const text = (...path: string[]): Promise<string> => readFile(join(root, ...path), 'utf8')

  test('Our own family moves into a leaf, controllers are handed down, and what nobody can enter is not believed', async () => {
    const proc = await machineWith('ours', 'cpuset cpu io memory pids', [process.ppid, process.pid])
    const driver = await openLimits({ name: 'swarm', settle: true, proc })
    expect(await text('ours', 'own', 'supervisor', 'cgroup.procs')).toBe(String(process.pid))
    expect(await text('ours', 'own', 'cgroup.subtree_control')).toBe('+memory +pids +cpu')
    expect(await text('ours', 'own', 'swarm', 'cgroup.subtree_control')).toBe('+memory +pids +cpu')
    expect(await text('ours', 'own', 'swarm', 'tried', 'memory.max')).toBe('64000000')
    expect(await text('ours', 'own', 'swarm', 'tried', 'cpu.max')).toBe('50000 100000')
    // Plain files are no control groups: nobody was really inside.
    expect(driver.kind).toBe('rlimits')
  })

  test('Nobody else is moved: where a stranger lives in our group, there are no groups for us', async () => {
    const proc = await machineWith('shared', 'cpu memory pids', [process.pid, 4_000_001])
    const driver = await openLimits({ name: 'swarm', settle: true, proc })
    expect(driver).toMatchObject({ kind: 'rlimits', why: expect.stringContaining('4000001') as string })
    await expect(text('shared', 'own', 'cgroup.subtree_control')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test("A container's first process is moved with us, for nobody else could be in its group", async () => {
    const proc = await machineWith('contained', 'cpu memory pids', [1, process.ppid, process.pid])
    await openLimits({ name: 'swarm', settle: true, proc })
    expect(await text('contained', 'own', 'cgroup.subtree_control')).toBe('+memory +pids +cpu')
  })

  test('Controllers that are not delegated are named', async () => {
    const proc = await machineWith('few', 'hugetlb pids', [])
    expect((await openLimits({ name: 'swarm', settle: false, proc })).why).toBe(
      'cgroup v2 delegates no memory, cpu here',
    )
  })
})

const driver = await openLimits({ name: `swarmsitter-limits-${process.pid}`, settle: true })
const real = driver.kind === 'rlimits' ? `not tried, for ${driver.why}` : `${driver.kind}, really`
describe(`The limits of this machine: ${real}`, () => {
  afterAll(() => driver.close())
  let id = 0
  const groupNow = (change: Partial<CellLimits> = {}): ReturnType<LimitDriver['open']> =>
    driver.open(`cel_${(id += 1)}`, { ...limits, cpus: null, ...change })
  let group: Awaited<ReturnType<LimitDriver['open']>>
  afterEach(() => group.remove())
  const inside = async (script: string): Promise<{ readonly code: number | string; readonly out: string }> => {
    const [program = '', ...words]: readonly string[] = [...group.before, '/bin/sh', '-c', script]
    return run(program, words, { timeout: 20_000 }).then(
      ({ stdout }) => ({ code: 0, out: stdout }),
      (error: { code: number | null; signal: string; stdout: string }) => ({
        code: error.code ?? error.signal,
        out: error.stdout,
      }),
    )
  }

  if (driver.kind !== 'rlimits') {
    test('Who takes more memory than it may is killed, and the group has counted it', async () => {
      group = await groupNow()
      const hog = 'exec python3 -c "x = bytearray(300_000_000); print(len(x))"'
      expect(await inside(hog)).toEqual({ code: 'SIGKILL', out: '' })
      expect((await group.counts()).oomKills).toBeGreaterThan(0)
    })

    test('More processes than it may have are refused, and counted', async () => {
      group = await groupNow()
      const { out } = await inside(
        'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 2 & done; echo $(jobs -p | wc -w)',
      )
      expect(Number(out.trim() || 0)).toBeLessThan(12)
      expect((await group.counts()).forksRefused).toBeGreaterThan(0)
    })

    test('Who takes more CPU than it may is held back, and the group has counted for how long', async () => {
      // It works for so much CPU time, and may have less than any machine leaves it: one that is busy holds it back too.
      group = await groupNow({ cpus: 0.05 })
      await inside('exec python3 -c "import time\nwhile time.process_time() < 0.06: pass"')
      expect((await group.counts()).throttledMs).toBeGreaterThan(100)
    })

    test('A daemon that left its session, and ignores what can be ignored, is killed with its group', async () => {
      group = await groupNow()
      const daemon = "trap '' TERM HUP INT; echo $$; exec >/dev/null 2>&1; sleep 600; sleep 600"
      const { out } = await inside(`setsid sh -c "${daemon.replaceAll('$', '\\$')}" & sleep 0.3`)
      const pid = Number(out.trim())
      expect(proc.startTime(pid)).toBeDefined()
      expect(await group.empty()).toBe(true)
      expect(proc.startTime(pid)).toBeUndefined()
    })

    test('What an older sitter left is ended and removed, whoever still lives in there', async () => {
      group = await groupNow()
      const left = inside('exec sleep 600')
      expect(await driver.sweep()).toContain(`cel_${id}`)
      // Killed while it entered, or after: in neither case did it go on outside.
      expect(['SIGKILL', 126]).toContain((await left).code)
      expect(await driver.sweep()).toEqual([])
    })
  }

  test('Open files and core dumps are bounded for each process, by prlimit', async () => {
    group = await groupNow({ files: 61 })
    const { out } = await inside('ulimit -n; ulimit -c')
    expect(out).toBe('61\n0\n')
    expect(resourceWords(limits).join(' ')).toContain('--data=1073741824:1073741824')
  })
})
