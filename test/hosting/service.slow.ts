/**
 * A swarm as a service: `sitter up` with a socket of notifications, and a listener in the place of systemd. Node sends
 * and hears no datagrams, so the listener is Python's.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { start, type Started } from '../doors/cli/child.ts'

const listener = `import socket, sys
bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
bell.bind(sys.argv[1].replace('@', '\\0', 1))
print('open', flush=True)
while True: print(bell.recv(4096).decode().strip().replace('\\n', ' '), flush=True)`

let root: string
let ear: ChildProcess
let heard: string[]
let up: Started | undefined
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sitter-service-'))
  const agents = { a: { run: { exec: ['/bin/true'] }, count: 1, cell: 'process' } }
  writeFileSync(join(root, 'swarm.config.json'), JSON.stringify({ name: 'served', agents, api: { port: 0 } }))
})
afterEach(async () => {
  up?.child.kill('SIGTERM')
  await up?.ended
  up = undefined
  ear.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
})

const listen = async (address: string): Promise<void> => {
  heard = []
  ear = spawn('python3', ['-c', listener, address], { stdio: ['ignore', 'pipe', 'inherit'] })
  createInterface({ input: ear.stdout! }).on('line', (line) => heard.push(line))
  await expect.poll(() => heard, { timeout: 10_000 }).toContain('open')
}
const serve = (env: Record<string, string>): void => {
  up = start(root, ['up', '--no-color'], { env: { XDG_CONFIG_HOME: join(root, '.config'), ...env } })
}
/** Words that we say; the barrier is systemd-notify's own. */
const told = (): readonly string[] => heard.filter((line) => line !== 'open' && line !== 'BARRIER=1')
const soon = { timeout: 60_000, interval: 20 } as const

test('It says READY when all programs are, gives signs of life while it lives, and says STOPPING before it ends', async () => {
  await listen(join(root, 'notify'))
  serve({ NOTIFY_SOCKET: join(root, 'notify'), WATCHDOG_USEC: '600000' })
  await expect.poll(() => told().length, soon).toBeGreaterThan(3)
  up!.child.kill('SIGTERM')
  const { code } = await up!.ended
  expect({ code, last: told().filter((line) => line !== 'WATCHDOG=1') }).toEqual({
    code: 0,
    last: ['READY=1', 'STOPPING=1'],
  })
}, 90_000)

test('Signs of life are given only when they were asked of us, and not when they were asked of another process', async () => {
  // systemd's socket may be an abstract one.
  const address = `@sitter-service-${process.pid}`
  await listen(address)
  serve({ NOTIFY_SOCKET: address, WATCHDOG_USEC: '300000', WATCHDOG_PID: '1' })
  await expect.poll(told, soon).toContain('READY=1')
  up!.child.kill('SIGTERM')
  await up!.ended
  expect(told()).toEqual(['READY=1', 'STOPPING=1'])
}, 90_000)

test('Where nobody can tell it, it says so, and serves', async () => {
  await listen(join(root, 'other'))
  serve({ NOTIFY_SOCKET: join(root, 'nobody-listens') })
  up!.child.stderr!.setEncoding('utf8')
  let said = ''
  up!.child.stderr!.on('data', (text: string) => {
    said += text
  })
  await expect.poll(() => said, soon).toContain('the service manager cannot be told READY=1')
  up!.child.kill('SIGTERM')
  expect((await up!.ended).code).toBe(0)
}, 90_000)
