import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { environmentFor, flagsFor, gateFlags } from '../src/passed-on.ts'

test('the programs of a swarm are started by what finds and bounds them, and by nothing that looks into them', () => {
  const needed = [
    '--conditions=source',
    '-C',
    'node',
    '--import=./clock.mjs',
    '-r',
    './x.cjs',
    '--max_old_space_size=512',
  ]
  const looking = [
    '--inspect',
    '--inspect-brk=0.0.0.0:9229',
    '--tls-keylog=keys',
    '--trace-tls',
    '--trace-event-categories',
  ]
  const printing = [
    '--heapsnapshot-signal=SIGUSR2',
    '--report-on-signal',
    '--cpu-prof',
    '--env-file=.env',
    '--heap-prof',
  ]
  const { kept, left } = flagsFor([...needed, ...looking, 'v8', ...printing, '--no-warnings', '--force-fips'])
  expect(kept).toEqual([...needed, '--no-warnings', '--force-fips'])
  expect(left).toEqual([...looking, ...printing].map((word) => word.split('=')[0]))
})

test('a value is kept with its flag alone', () => {
  expect(flagsFor(['--env-file', '.env', '--import', 'a', 'b', '--inspect-port', '0']).kept).toEqual(['--import', 'a'])
})

test("The gate's own flags are known to this Node, and are not passed on", () => {
  const code = 'process.stdout.write(JSON.stringify(process.execArgv))'
  expect(JSON.parse(execFileSync(process.execPath, [...gateFlags, '-e', code], { encoding: 'utf8' }))).toContain(
    gateFlags[0],
  )
  expect(flagsFor([...gateFlags, '--no-warnings']).kept).toEqual(['--no-warnings'])
})

test('nothing of the environment that prints or loads more is theirs', () => {
  const loud = {
    NODE_DEBUG: 'http',
    NODE_OPTIONS: '--inspect',
    SSLKEYLOGFILE: 'keys',
    NODE_V8_COVERAGE: 'here',
    TOKEN: 'x',
  }
  expect(environmentFor({ ...loud, PATH: '/bin', NODE_EXTRA_CA_CERTS: 'ca.pem', HOME: undefined })).toEqual({
    PATH: '/bin',
    NODE_EXTRA_CA_CERTS: 'ca.pem',
  })
})
