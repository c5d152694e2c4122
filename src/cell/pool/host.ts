/**
 * The process of a pool cell: connects to its sitter, loads the agents' module, says hello and runs the agents. It
 * ends at once when the link ends, so that cells die with their sitter. Loads little: its modules and those of the
 * SDK are paid for by every host. One that stands by connects and waits: it loads no module before it is told which.
 *
 * Exit codes: 64 not started by a sitter, 69 the sitter is gone, 70 an error that belongs to no agent, 78 the module
 * cannot be loaded.
 */
import { flushCompileCache } from 'node:module'
import { connect } from 'node:net'
import { pathToFileURL } from 'node:url'
import { hostOf, plainRunner, type AgentHost, type HostPorts, type Runner } from '../../agent/agent.ts'
import { lineReader, sitterFrameBounds, type AsleepPart, type Load, type Ping, type Pong } from '../../wire/wire.ts'
import { outbox } from '../outbox.ts'
import type { VmBounds } from '../vm/port.ts'
import type { Gatherer } from '../vm/parts.ts'
import { gateFetch } from './gatefetch.ts'
import { gateSocket } from './gatesocket.ts'
import { guard } from './guard.ts'
import { beWatched, noteRunning } from './watched.ts'

const exits = { usage: 64, sitterGone: 69, module: 78 } as const

const alive: { host: AgentHost | undefined } = { host: undefined }
const { within, running, exit } = guard(() => alive.host)

const variable = (name: string): string => {
  const value = process.env[name]
  if (value !== undefined && value !== '') return value
  console.error(`${name} is not set: this program is started by a sitter`)
  return exit(exits.usage)
}
const socketPath = variable('SITTER_SOCKET')
const gatePath = variable('SITTER_GATE')

type Frame = Readonly<Record<string, unknown>>
/** Nobody listens while the module is loaded: the sitter says nothing before it has heard hello. */
let hear: (frame: Frame) => void = () => {}

const socket = connect(socketPath)
const gone = (): never => exit(exits.sitterGone)
socket.once('error', gone)
socket.once('end', gone)
socket.once('close', gone)
socket.on(
  'data',
  lineReader(sitterFrameBounds, {
    object: (frame) => hear(frame),
    refused: (code, detail) => console.error(`a frame from the sitter was refused: ${code}: ${detail}`),
  }),
)
const out = outbox((text) => {
  socket.write(text)
})

/** Of its own: the room of real ports would load files, processes and cryptography into every host (2 MB). */
const clock: HostPorts['clock'] = {
  monoMs: () => performance.now(),
  timer: (delayMs, fire) => {
    const handle = setTimeout(fire, delayMs)
    return () => clearTimeout(handle)
  },
}

/**
 * Waits to be told which module to load. Until then challenges are answered: nobody lives here. Not even a module that
 * is known before is loaded ahead: its top level is its author's, and may do anything.
 */
const standBy = (): Promise<string> =>
  new Promise((resolve) => {
    hear = ({ id, method, params }) => {
      const answer = (result: object): void => out.put({ jsonrpc: '2.0', id, result })
      if (method === 'ping') answer({ nonce: (params as Ping).nonce, agents: [], open: [] } satisfies Pong)
      if (method !== 'load') return
      answer({})
      // What follows is the agents': should it end this process, the sitter knows that it was theirs.
      out.flush()
      const { module, watched } = params as Load
      if (watched === true) void beWatched(running)
      hear = () => {}
      process.env['SITTER_MODULE'] = module
      resolve(module)
    }
  })

/** Snapshots of agents that sleep, from the sitter. */
let given: Gatherer | undefined

/** Loaded while the host connects, or stands by. */
const vmAhead = process.env['SITTER_VM'] === undefined ? undefined : import('../vm/runner.ts')

/** The code of a pool's agents becomes part of this process; that of a vm cell's is text for its machines. */
const runnerOf = async (modulePath: string): Promise<Runner> => {
  const vm = process.env['SITTER_VM']
  if (vm === undefined || vmAhead === undefined) {
    const module = (await import(pathToFileURL(modulePath).href)) as Readonly<Record<string, unknown>>
    return plainRunner(module, modulePath)
  }
  const { vmRunner } = await vmAhead
  const codeCache = process.env['NODE_COMPILE_CACHE']
  const kept = codeCache === undefined ? undefined : `${codeCache}/vm`
  const runner = await vmRunner(modulePath, JSON.parse(vm) as VmBounds, { clock, kept, note: noteRunning })
  given = runner.given
  return runner
}

const load = async (modulePath: string): Promise<AgentHost> => {
  try {
    return hostOf(await runnerOf(modulePath), {
      clock,
      send: (frame) => out.put(frame),
      sendLine: (line) => out.putLine(line),
      pendingBytes: () => socket.writableLength,
      fetch: gateFetch(gatePath),
      socket: gateSocket(gatePath),
      within,
    })
  } catch (error) {
    const { name, message, code }: Error & { readonly code?: unknown } =
      error instanceof Error ? error : new Error(String(error))
    // What we found wrong with a module ourselves needs no place in our own code.
    if (code !== 'config-invalid') console.error(error)
    // Last, and on one line: this is what people are told of the cell's end.
    const [brief] = `${name === 'Error' ? '' : `${name}: `}${message}`.split('\n', 1)
    console.error(`the agents cannot be loaded: ${brief}`)
    return exit(exits.module)
  }
}

if (process.env['SITTER_WATCHED'] === '1') void beWatched(running)
const host = await load(process.env['SITTER_STANDBY'] === '1' ? await standBy() : variable('SITTER_MODULE'))
alive.host = host
hear = (frame) => {
  const { method, params } = frame
  if (method === 'asleep.part') given?.add((params as AsleepPart).agent, params)
  else host.frame(frame)
}
// A killed process writes no compile cache; the first host of a module writes it before the others start.
if (process.env['SITTER_KEEP_CODE'] === '1') flushCompileCache()
try {
  await host.hello(process.version)
} catch (error) {
  console.error(`the sitter did not welcome this cell: ${(error as Error).message}`)
  exit(exits.sitterGone)
}
