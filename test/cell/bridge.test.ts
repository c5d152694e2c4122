/** The proxy inside of a cell: what it does when a program opens more connections than it has places. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'

let closing: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const bridge = join(import.meta.dirname, '..', '..', 'src', 'cell', 'process', 'bridge.ts')
const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'

/** A gate that gives its certificate, and greets every other connection; and the bridge before it. */
const openBridge = async (): Promise<number> => {
  const directory = mkdtempSync(join(tmpdir(), 'bridge-'))
  const gateSocket = join(directory, 'gate.sock')
  const passed = new Set<Socket>()
  const gate = createServer((socket) => {
    passed.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      if (chunk.includes('ca.pem')) socket.end(`HTTP/1.1 200 OK\r\n\r\n${pem}`)
      else socket.write('heard')
    })
  })
  gate.listen(gateSocket)
  await once(gate, 'listening')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', bridge, 'serve', 'own'], {
    env: { PATH: process.env['PATH'], SITTER_GATE: gateSocket, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closing.push(async () => {
    child.kill('SIGKILL')
    for (const socket of passed) socket.destroy()
    gate.close()
    await once(child, 'exit')
    rmSync(directory, { recursive: true })
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return (JSON.parse(line) as { port: number }).port
}

/** Says something by a connection: what comes back, or null when it is closed instead. */
const greeted = async (port: number): Promise<Socket | null> => {
  const socket = connect(port, '127.0.0.1')
  closing.push(() => {
    socket.destroy()
  })
  socket.on('error', () => undefined)
  const heard = new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true)).once('close', () => resolve(false))
  })
  socket.write('hello')
  return (await heard) ? socket : null
}

test('the 1,001st connection at once of a program with a proxy is closed, and there is room again when one ends', async () => {
  const port = await openBridge()
  const all: (Socket | null)[] = []
  for (let lot = 0; lot < 10; lot += 1)
    all.push(...(await Promise.all(Array.from({ length: 100 }, () => greeted(port)))))
  expect(all.filter((socket) => socket !== null)).toHaveLength(1_000)
  expect(await greeted(port)).toBeNull()
  const left = all[0]!
  left.destroy()
  // It is free when the bridge has seen the end, which it tells nobody.
  await expect.poll(async () => (await greeted(port)) !== null).toBe(true)
}, 60_000)
