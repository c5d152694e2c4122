/**
 * What the gate weighs while thousands of agents read slow streams: a line of 100 bytes now and then, for as long as
 * anybody listens. Memory is looked at when all are open and again later: what grows meanwhile is what was said and is
 * kept by somebody. Each line is checked, so that nothing is lost either.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { answer, pause, readAsk, until } from '../programs.ts'
import { startGate, startSayer, stopAll, type Weight } from './parts.ts'

const { directory, options } = readAsk()
const asked = Number(options['streams'])
const lookMs = Number(options['lookMs'])
const everyMs = 5_000
/** A cell has at most 1,024 connections, an upstream at most 512: so there are several of both. */
const perCell = 1_000
const perUpstream = 500

/** The gate has two sockets a stream, and this machine may allow fewer: then there are fewer streams. */
const allowedStreams = (): number => {
  const wanted = 2 * asked + 200
  try {
    execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${wanted}:${wanted}`], { stdio: 'ignore' })
  } catch {
    // Only root may raise it, and not everywhere.
  }
  const most = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  return Math.min(asked, Math.floor((most - 200) / 200) * 100)
}
const streams = allowedStreams()

const used = ({ heapUsed, external }: Weight): number => heapUsed + external

interface Reader {
  readonly socket: Socket
  lines: number
}

const open = (path: string, agent: string, name: string): Promise<Reader> =>
  new Promise((resolve, reject) => {
    const reader: Reader = { socket: connect(path), lines: 0 }
    reader.socket.write(`GET /${name}/v1/stream HTTP/1.1\r\nhost: far\r\nx-sitter-agent: ${agent}\r\n\r\n`)
    reader.socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      if (reader.lines === 0 && text.startsWith('HTTP/1.1') && !text.startsWith('HTTP/1.1 200')) reject(new Error(text))
      reader.lines += text.split('data: ').length - 1
      if (reader.lines > 0) resolve(reader)
    })
    reader.socket.on('error', reject)
    reader.socket.on('close', () => reject(new Error('a stream was closed')))
  })

try {
  const upstream = await startSayer(everyMs)
  const agents = Array.from({ length: perCell }, (_, index) => `caller/${String(index + 1).padStart(4, '0')}`)
  const names = Array.from({ length: Math.ceil(streams / perUpstream) }, (_, index) => `far-${index}`)
  const rule = { url: `http://${upstream}`, grant: [upstream], allow: ['GET /v1/**'], timeout: '60s' }
  const config = {
    name: 'bench',
    agents: { caller: { run: { module: './a.ts' }, count: perCell, upstreams: names } },
    upstreams: Object.fromEntries(names.map((name) => [name, rule])),
  }
  const gate = await startGate(directory, config, null)
  const before = await gate.weighs()
  const readers: Reader[] = []
  for (let cell = 0; cell * perCell < streams; cell += 1) {
    const path = await gate.door(`cel_${cell}`, agents, names)
    const many = Math.min(perCell, streams - cell * perCell)
    // Not all at once: a hundred at a time are being opened.
    for (let at = 0; at < many; at += 100) {
      const some = agents.slice(at, Math.min(at + 100, many))
      const name = names[Math.floor((cell * perCell + at) / perUpstream)]!
      readers.push(...(await Promise.all(some.map((agent) => open(path, agent, name)))))
    }
  }
  const opened = await gate.weighs()
  if (opened.inFlight !== streams) throw new Error(`${opened.inFlight} streams are open, not ${streams}`)
  // What was only used for opening them goes first.
  await pause(everyMs * 2)
  const first = await gate.weighs()
  await pause(lookMs)
  const last = await gate.weighs()
  const fewest = Math.min(...readers.map(({ lines }) => lines))
  const wanted = Math.floor((lookMs + everyMs) / everyMs)
  if (fewest < wanted) throw new Error(`a stream had ${fewest} lines, not ${wanted}`)
  for (const { socket } of readers) socket.removeAllListeners('close').destroy()
  await until(async () => (await gate.weighs()).inFlight === 0, 100, 30_000)
  const after = await gate.weighs()
  stopAll()
  answer(
    {
      streams,
      'kB a stream': (first.rss - before.rss) / streams / 1_000,
      'kB in use a stream': (used(first) - used(before)) / streams / 1_000,
      'bytes in use a stream, grown in a minute': ((used(last) - used(first)) / streams / lookMs) * 60_000,
      'MB in use, left when all are closed': (used(after) - used(before)) / 1e6,
    },
    { before, opened, first, last, after, fewest },
  )
} finally {
  stopAll()
}
