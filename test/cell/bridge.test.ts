/** The proxy inside of a cell: more connections than it has places, and a gate that is away. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
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

interface Gate {
  /** All that was said by connections of programs. */
  readonly heard: string[]
  /** Cuts everything, and there is no socket until it is opened again. */
  end(): Promise<void>
}

/** Gives its certificate, and greets every other connection. */
const openGate = async (gateSocket: string): Promise<Gate> => {
  const passed = new Set<Socket>()
  const heard: string[] = []
  const gate = createServer((socket) => {
    passed.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      if (chunk.includes('ca.pem')) return void socket.end(`HTTP/1.1 200 OK\r\n\r\n${pem}`)
      heard.push(String(chunk))
      socket.write('heard')
    })
  })
  gate.listen(gateSocket)
  await once(gate, 'listening')
  const end = async (): Promise<void> => {
    for (const socket of passed) socket.destroy()
    await new Promise((resolve) => gate.close(resolve))
  }
  return { heard, end }
}

/** And the bridge before it. */
const openBridge = async (): Promise<{ readonly port: number; readonly gate: Gate; readonly gateSocket: string }> => {
  const directory = mkdtempSync(join(tmpdir(), 'bridge-'))
  const gateSocket = join(directory, 'gate.sock')
  const gate = await openGate(gateSocket)
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', bridge, 'serve', 'own'], {
    env: { PATH: process.env['PATH'], SITTER_GATE: gateSocket, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closing.push(async () => {
    child.kill('SIGKILL')
    await gate.end()
    await once(child, 'exit')
    rmSync(directory, { recursive: true })
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const { port } = JSON.parse(line) as { readonly port: number }
  return { port, gate, gateSocket }
}

/** How many connections of programs the bridge has, by the kernel's table. */
const connectionsTo = (port: number): number => {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n')
  return rows.filter((row) => row.trim().split(/\s+/)[1] === local && row.trim().split(/\s+/)[3] === '01').length
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
  const { port } = await openBridge()
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

test('what a program says while the gate is away waits for the next one, and is said to it once', async () => {
  const { port, gate, gateSocket } = await openBridge()
  await gate.end()
  const first = greeted(port)
  const second = greeted(port)
  // Both are with the bridge, which has no gate to go to.
  await expect.poll(() => connectionsTo(port)).toBe(2)
  const next = await openGate(gateSocket)
  closing.push(next.end)
  expect(await first).not.toBeNull()
  expect(await second).not.toBeNull()
  expect(next.heard).toEqual(['hello', 'hello'])
})

test('a connection is closed when the gate stays away, and the next gate hears nothing of it', async () => {
  const { port, gate, gateSocket } = await openBridge()
  await gate.end()
  expect(await greeted(port)).toBeNull()
  const next = await openGate(gateSocket)
  closing.push(next.end)
  expect(await greeted(port)).not.toBeNull()
  expect(next.heard).toEqual(['hello'])
})
