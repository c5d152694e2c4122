/**
 * The gate's hands where it has a user of its own: a small process of root's that opens what only root may open (the
 * sockets of cells, the applied configuration, the freeze file, files of the vault's key) and starts what must run as
 * before (programs that rotate, an heir). It is the gate's child and ends with it; it does what is on its list and
 * nothing else (porter-rules.ts), and it never has a secret but in passing.
 */
import { fork, type ChildProcess } from 'node:child_process'
import type { Server as HttpServer } from 'node:http'
import type { Server } from 'node:net'
import { extname, join } from 'node:path'
import type { OpenDoor } from './gateway/gateway.ts'
import { Failure, type Code, type Disk } from './std/std.ts'
import type { KeyFiles, RunCommand } from './vault/vault.ts'

export const deeds = [
  'readTextIfThere',
  'writeWhole',
  'makeDirectory',
  'exists',
  'remove',
  'keyRead',
  'keyCreate',
  'keyRename',
  'keyRemove',
  'door',
  'placeDoor',
  'run',
  'heir',
] as const
export type Deed = (typeof deeds)[number]

export interface PorterAsk {
  readonly id: number
  readonly deed: Deed
  readonly arguments: readonly unknown[]
}
export interface Refused {
  readonly id: number
  readonly ok: false
  /** Of one of our failures; else of the system's error. */
  readonly isFailure: boolean
  readonly code: string
  readonly message: string
  readonly facts: Failure['facts']
}
export type PorterAnswer =
  | { readonly ready: true }
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | Refused

export interface Porter {
  readonly disk: Disk
  readonly keyFiles: KeyFiles
  readonly run: RunCommand
  readonly openDoor: OpenDoor
  /** Resolves when the heir is started. */
  heir(): Promise<void>
  /** Called once when it ends although it was not closed: the gate can do nothing without it. */
  onGone(listener: () => void): void
  close(): void
}

const errorOf = ({ isFailure, code, message, facts }: Refused): Error =>
  isFailure ? new Failure(code as Code, message, { facts }) : Object.assign(new Error(message), { code })

const notForTheGate = (): Promise<never> => Promise.reject(new Failure('not-allowed', 'the gate has no such deed'))

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
  readonly door: boolean
}

/** Asks by number, and hears the answers; what comes as a handle is a socket that listens. */
const asker = (child: ChildProcess) => {
  const waiting = new Map<number, Waiting>()
  let last = 0
  let gone: Error | undefined
  child.on('message', (message, handle) => {
    const answer = message as PorterAnswer
    if ('ready' in answer) return
    const one = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (!answer.ok) one?.reject(errorOf(answer))
    else one?.resolve(one.door ? handle : answer.value)
  })
  const end = (): void => {
    gone = new Failure('gate-lost', "the gate's porter is gone")
    for (const one of waiting.values()) one.reject(gone)
    waiting.clear()
  }
  child.once('exit', end)
  child.once('disconnect', end)
  return <Value>(deed: Deed, ...args: readonly unknown[]): Promise<Value> =>
    new Promise<Value>((resolve, reject) => {
      if (gone !== undefined) return reject(gone)
      const id = (last += 1)
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, door: deed === 'door' })
      child.send({ id, deed, arguments: args } satisfies PorterAsk, (error) => {
        if (error === null) return
        waiting.delete(id)
        reject(error)
      })
    })
}
type Ask = ReturnType<typeof asker>

const diskBy = (ask: Ask): Disk => ({
  readText: notForTheGate,
  readTextIfThere: (path) => ask('readTextIfThere', path),
  writeWhole: (path, text, mode) => ask('writeWhole', path, text, mode),
  append: notForTheGate,
  makeDirectory: (path, mode) => ask('makeDirectory', path, mode),
  list: notForTheGate,
  exists: (path) => ask('exists', path),
  remove: (path) => ask('remove', path),
  rename: notForTheGate,
})

const keyFilesBy = (ask: Ask, self: number | null): KeyFiles => ({
  read: async (path) => {
    const found = await ask<{ bytes: Uint8Array; mode: number; owner: number } | undefined>('keyRead', path)
    if (found === undefined) return undefined
    const bytes = Buffer.from(found.bytes)
    found.bytes.fill(0)
    return { ...found, bytes }
  },
  create: (path, text) => ask('keyCreate', path, text),
  rename: (from, to) => ask('keyRename', from, to),
  remove: (path) => ask('keyRemove', path),
  self,
})

/** Connections come by a socket that the porter has made; the server never listens itself. */
const doorBy =
  (ask: Ask): OpenDoor =>
  async (server: HttpServer, socketPath) => {
    const inner = await ask<Server>('door', socketPath)
    inner.maxConnections = server.maxConnections
    inner.on('connection', (socket) => server.emit('connection', socket))
    // The server counts connections, and ends slow ones, from when it is told that it listens.
    server.emit('listening')
    // Not before: whoever finds a socket there is answered.
    await ask('placeDoor', socketPath).catch((error: unknown) => {
      inner.close()
      throw error
    })
    return async () => {
      await new Promise<void>((resolve) => {
        inner.close(() => resolve())
        server.closeAllConnections()
      })
      server.close()
      await ask('remove', socketPath)
    }
  }

/** Starts the porter of a data directory; resolves when it answers. */
export const openPorter = async (dataDirectory: string): Promise<Porter> => {
  const program = join(import.meta.dirname, `main${extname(import.meta.filename)}`)
  const child = fork(program, ['_porter', '--data-dir', dataDirectory], {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  let closed = false
  const ask = asker(child)
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('error', reject)
    child.once('exit', (code) => reject(new Failure('cell-start', `the gate's porter ended with ${code}`)))
  })
  return {
    disk: diskBy(ask),
    keyFiles: keyFilesBy(ask, process.getuid?.() ?? null),
    run: (run) => ask('run', run),
    openDoor: doorBy(ask),
    heir: () => ask('heir'),
    onGone: (listener) => {
      child.once('disconnect', () => {
        if (!closed) listener()
      })
    },
    close: () => {
      closed = true
      if (child.connected) child.disconnect()
    },
  }
}
