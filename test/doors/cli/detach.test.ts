/** `up --detach` around a process that is a script: up is what answers, and what does not come up says why. */
import { expect, test } from 'vitest'
import { runCli, type Surroundings } from '../../../src/doors/cli/cli.ts'
import { fakeWorld, moveUntil, type FakeWorld } from './fake.ts'

interface Script {
  readonly world: Surroundings
  readonly fake: FakeWorld
  readonly files: Record<string, string>
  readonly argv: (readonly string[])[]
  exit: number | null
  lives: boolean
  left: number
}

const script = (api: () => unknown = () => ({ live: true })): Script => {
  const files: Record<string, string> = { '/home/swarm.config.ts': 'export default {}' }
  const fake = fakeWorld({ files, api })
  const made: Script = { fake, files, argv: [], exit: null, lives: false, left: 0, world: fake.world }
  const world: Surroundings = {
    ...fake.world,
    proc: { ...fake.world.proc, startTime: () => (made.lives ? '1' : undefined) },
    startDetached: async (argv) => {
      made.argv.push(argv)
      return {
        pid: 41,
        exit: () => made.exit,
        said: () => 'starting …\nerror [port-taken]: port 7700 is taken\u001b[2J\n',
        leave: () => {
          made.left += 1
        },
      }
    },
  }
  return Object.assign(made, { world })
}
const comesUp = (one: Script): void => {
  one.files['/home/.sitter/run/api.json'] = JSON.stringify({ url: 'http://127.0.0.1:7700', pid: 42 })
  one.files['/home/.sitter'] = ''
  one.lives = true
}

test('it is up when its sitter answers, not before, and is then left alone', async () => {
  const one = script()
  one.files['/home/p.csv'] = 'x'
  const ended = runCli(['up', '--detach', '--settle', 'p.csv', '--json'], one.world)
  await moveUntil(one.fake.clock, ended, () => one.fake.clock.ms > 5_000)
  expect(one.left).toBe(0)
  comesUp(one)
  expect(await moveUntil(one.fake.clock, ended)).toBe(0)
  expect(one.left).toBe(1)
  expect(JSON.parse(one.fake.out())).toEqual({
    pid: 41,
    sitter: 42,
    url: 'http://127.0.0.1:7700',
    dataDirectory: '/home/.sitter',
  })
  const [argv] = one.argv
  expect(argv!.join(' ')).toBe(
    'up /home/swarm.config.ts --data-dir /home/.sitter --no-color --yes --settle /home/p.csv',
  )
})

test('what ends before it is up says why, with its own exit code, and cannot write to the terminal', async () => {
  const one = script()
  const ended = runCli(['up', '--detach'], one.world)
  await moveUntil(one.fake.clock, ended, () => one.fake.clock.ms > 1_000)
  one.exit = 6
  expect(await moveUntil(one.fake.clock, ended)).toBe(6)
  expect(one.fake.messages()).toContain('error [port-taken]')
  expect(one.fake.messages()).not.toContain('\u001b')
  expect(one.fake.out()).toBe('')
})

test('what never answers is told after its time as not known, and no second one is started beside a living one', async () => {
  const one = script()
  const late = runCli(['up', '--detach'], one.world)
  expect(await moveUntil(one.fake.clock, late)).toBe(124)
  expect(one.fake.messages()).toContain('pid 41 goes on trying')
  const other = script()
  comesUp(other)
  expect(await moveUntil(other.fake.clock, runCli(['up', '--detach'], other.world))).toBe(6)
  expect(other.argv).toEqual([])
})

test('nobody would hear how a detached run ended, so it is not begun with --exit-when-idle', async () => {
  const one = script()
  expect(await moveUntil(one.fake.clock, runCli(['up', '--detach', '--exit-when-idle'], one.world))).toBe(2)
  expect(one.argv).toEqual([])
})
