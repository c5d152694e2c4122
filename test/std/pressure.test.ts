import { expect, test } from 'vitest'
import { readPressure } from '../../src/std/pressure.ts'
import { realPressure } from '../../src/std/real/real.ts'

const meminfo = 'MemTotal:       24684084 kB\nMemFree:         1000000 kB\nMemAvailable:   12342042 kB\n'
const psi = (some: string, full: string): string =>
  `some avg10=${some} avg60=1.00 avg300=0.50 total=123\nfull avg10=${full} avg60=1.00 avg300=0.50 total=12\n`

const reads = (files: Record<string, string>) => readPressure((path) => files[path])

test('The kernel says what waited for what, and how much memory is left', () => {
  const reading = reads({
    '/proc/meminfo': meminfo,
    '/proc/pressure/memory': psi('12.50', '7.25'),
    '/proc/pressure/cpu': psi('90.04', '0.00'),
    '/proc/pressure/io': psi('4.82', '0.19'),
  })
  expect(reading).toEqual({
    memory: { freeBytes: 12_342_042 * 1_024, totalBytes: 24_684_084 * 1_024, of: 'host' },
    stalled: { memory: 0.0725, cpu: 0.9004, io: 0.0019 },
  })
})

test('What no file tells is unknown, and garbage is no number', () => {
  const nothing = { memory: null, stalled: { memory: null, cpu: null, io: null } }
  expect(reads({})).toEqual(nothing)
  expect(reads({ '/proc/meminfo': 'x', '/proc/pressure/memory': 'y', '/proc/self/cgroup': ':::' })).toEqual(nothing)
})

test('In a group with a limit its own memory counts, where it is nearer to its end; version 2, also of a group above', () => {
  const files = {
    '/proc/meminfo': meminfo,
    '/proc/self/cgroup': '0::/system.slice/sitter.service/supervisor\n',
    '/sys/fs/cgroup/system.slice/sitter.service/supervisor/memory.max': 'max\n',
    '/sys/fs/cgroup/system.slice/sitter.service/supervisor/memory.current': '1000\n',
    '/sys/fs/cgroup/system.slice/sitter.service/memory.max': '1000000000\n',
    '/sys/fs/cgroup/system.slice/sitter.service/memory.current': '950000000\n',
    '/sys/fs/cgroup/system.slice/sitter.service/memory.stat': 'anon 1\ninactive_file 50000000\n',
  }
  expect(reads(files).memory).toEqual({ freeBytes: 100_000_000, totalBytes: 1_000_000_000, of: 'group' })
  const roomy = { ...files, '/sys/fs/cgroup/system.slice/sitter.service/memory.current': '100000000\n' }
  expect(reads(roomy).memory?.of).toBe('host')
})

test('In version 1 the group is looked for in the hierarchy of memory; "no limit" is a number there', () => {
  const files = {
    '/proc/meminfo': meminfo,
    '/proc/self/cgroup': '9:name=systemd:/\n4:memory:/boxes/one\n1:cpu:/\n0::/\n',
    '/sys/fs/cgroup/memory/boxes/one/memory.limit_in_bytes': '80000000\n',
    '/sys/fs/cgroup/memory/boxes/one/memory.usage_in_bytes': '79000000\n',
    '/sys/fs/cgroup/memory/boxes/memory.limit_in_bytes': '9223372036854771712\n',
    '/sys/fs/cgroup/memory/boxes/memory.usage_in_bytes': '79000000\n',
  }
  expect(reads(files).memory).toEqual({ freeBytes: 1_000_000, totalBytes: 80_000_000, of: 'group' })
})

test('This machine tells how much of its memory is left', () => {
  const { memory } = realPressure().read()
  expect(memory!.freeBytes).toBeGreaterThan(0)
  expect(memory!.freeBytes).toBeLessThan(memory!.totalBytes)
})
