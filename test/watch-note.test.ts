/** What the watch writes down of its programs, and what the command line makes of it when no sitter answers. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCli } from '../src/doors/cli/cli.ts'
import { realDisk } from '../src/std/real/real.ts'
import { noted, openWatchNote, type WatchNote } from '../src/watch-note.ts'
import { nowMs } from './doors/cli/documents.ts'
import { fakeWorld } from './doors/cli/fake.ts'

const died = { is: 'ended', program: 'sitter', by: 'signal SIGKILL', againInMs: 400, deaths: 2 } as const

test('a program is starting, up and ended, with how its last life ended for as long as another one begins', () => {
  const starting = noted(undefined, { is: 'started', program: 'sitter', pid: 7 }, 1)
  expect(starting).toEqual({ state: 'starting', pid: 7, sinceMs: 1, end: null })
  const up = noted(starting, { is: 'ready', program: 'sitter' }, 2)
  expect(up).toEqual({ state: 'up', pid: 7, sinceMs: 2, end: null })
  const ended = noted(up, died, 3)
  const end = { by: 'signal SIGKILL', atMs: 3, deaths: 2, againMs: 403 }
  expect(ended).toEqual({ state: 'ended', pid: null, sinceMs: 3, end })
  expect(noted(ended, { is: 'started', program: 'sitter', pid: 8 }, 4)).toEqual({
    state: 'starting',
    pid: 8,
    sinceMs: 4,
    end,
  })
})

test('the file holds the newest word whatever comes meanwhile, and is gone after a stop in order', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'note-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'watch.json')
  const proc = { startTime: () => '99' }
  const note = openWatchNote({ disk: realDisk(), path, clock: { wallMs: () => 5 }, proc, pid: 1 })
  for (let pid = 1; pid <= 50; pid += 1) note.changed({ is: 'started', program: 'gate', pid })
  note.changed({ is: 'ready', program: 'gate' })
  await expect
    .poll(async () => (JSON.parse(await readFile(path, 'utf8')) as WatchNote).programs['gate'])
    .toEqual({
      state: 'up',
      pid: 50,
      sinceMs: 5,
      end: null,
    })
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: 1, startTime: '99' })
  await note.remove()
  await expect(readFile(path)).rejects.toThrow('ENOENT')
})

const silent = async (
  sitter: unknown,
  world: { readonly watch?: string; readonly state?: string } = {},
): Promise<string> => {
  const run = '/home/.sitter/run'
  const note = { pid: 41, startTime: '7', sinceMs: nowMs, programs: { sitter } }
  const fake = fakeWorld({
    files: {
      '/home/.sitter': '',
      [`${run}/api.json`]: JSON.stringify({ url: 'http://127.0.0.1:7700', pid: 42 }),
      [`${run}/operator.token`]: 'swt_0123456789abcdef',
      [`${run}/watch.json`]: sitter === null ? 'from another version' : JSON.stringify(note),
    },
    api: () => {
      throw new TypeError('fetch failed')
    },
  })
  const proc = { ...fake.world.proc, startTime: () => world.watch, state: () => world.state }
  expect(await runCli(['status'], { ...fake.world, proc })).toBe(69)
  return fake.messages()
}
const end = { by: 'signal SIGKILL', atMs: nowMs - 3_000, deaths: 2, againMs: nowMs + 1_000 }

test('who asks while no sitter answers hears whether it comes back by itself, and why it is away', async () => {
  const watch = '7'
  expect(await silent({ state: 'ended', pid: null, sinceMs: nowMs, end }, { watch })).toMatch(
    /it ended by signal SIGKILL 3 s ago \(2 times in a row\), and is started again in 1.0 s\n.*its watch \(pid 41\) brings it back/,
  )
  expect(await silent({ state: 'starting', pid: 42, sinceMs: nowMs - 5_000, end }, { watch })).toContain(
    'it is starting for 5 s; it ended by signal SIGKILL',
  )
  expect(await silent({ state: 'up', pid: 42, sinceMs: nowMs, end: null }, { watch, state: 'T' })).toContain(
    'process 42 was stopped by somebody (SIGSTOP)',
  )
  expect(await silent({ state: 'up', pid: 42, sinceMs: nowMs, end: null }, { watch, state: 'R' })).toContain(
    'process 42 is there and says nothing',
  )
})

test('a watch that is gone, or whose pid is another process now, brings nothing back', async () => {
  const up = { state: 'up', pid: 42, sinceMs: nowMs, end: null }
  for (const watch of [undefined, '8'])
    expect(await silent(up, watch === undefined ? {} : { watch })).toMatch(
      /its watch \(pid 41\) is gone too.*\n.*sitter up/,
    )
  for (const strange of [null, { state: 7 }, 'up', {}])
    expect(await silent(strange, { watch: '7' })).toContain('start it with `sitter up`')
})
