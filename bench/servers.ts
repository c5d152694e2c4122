/**
 * The peers' servers, each in a directory of its own and on a socket only, with the durability that ours has: Redis
 * writes and flushes its append-only file at every command, PostgreSQL flushes at every commit. What is not installed
 * is said, not skipped in silence.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Server {
  /** Where clients connect. */
  readonly at: string
  readonly version: string
  stop(): Promise<void>
}

export const temporary = (name: string): string => mkdtempSync(join(tmpdir(), `bench-${name}-`))
export const removeDirectory = (path: string): void => rmSync(path, { recursive: true, force: true, maxRetries: 3 })

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

const reachable = async (path: string, name: string): Promise<void> => {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await answers(path)) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${name} did not answer within 10 s`)
}

const ended = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill(signal)
  })

const versionOf = (program: string): string | undefined => {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8' }).trim()
  } catch {
    // Not installed: the caller says so.
    return undefined
  }
}

export const startRedis = async (): Promise<Server | undefined> => {
  const version = versionOf('redis-server')
  if (version === undefined) return undefined
  const directory = temporary('redis')
  const at = join(directory, 'redis.sock')
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
  const child = spawn('redis-server', ['--port', '0', '--unixsocket', at, '--dir', directory, ...durable], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await reachable(at, 'redis-server')
  return {
    at,
    version,
    stop: async () => {
      await ended(child, 'SIGKILL')
      removeDirectory(directory)
    },
  }
}

const debianBin = '/usr/lib/postgresql'

const postgresBin = (): string | undefined => {
  try {
    const newest = readdirSync(debianBin).toSorted((a, b) => Number(b) - Number(a))[0]
    return newest === undefined ? undefined : join(debianBin, newest, 'bin')
  } catch {
    // Not installed: the caller says so.
    return undefined
  }
}

/** PostgreSQL refuses to run as root; then it runs as the user that its package made. */
const postgresUser = (): { uid: number; gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const id = (what: string): number => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

export interface Postgres extends Server {
  /** A fresh database; gives its connection string. */
  database(name: string): string
}

export const startPostgres = async (): Promise<Postgres | undefined> => {
  const bin = postgresBin()
  if (bin === undefined) return undefined
  const directory = temporary('postgres')
  const user = postgresUser()
  const data = join(directory, 'data')
  mkdirSync(data)
  if (user !== undefined) for (const path of [directory, data]) chownSync(path, user.uid, user.gid)
  const quiet = { ...user, cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'] }
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'bench', '-A', 'trust', '-N', '-E', 'UTF8'], quiet)
  const settings = ['listen_addresses=', `unix_socket_directories=${directory}`, 'shared_buffers=256MB']
  const durable = ['fsync=on', 'synchronous_commit=on', 'max_connections=300', 'max_wal_size=2GB']
  const options = [...settings, ...durable].flatMap((one) => ['-c', one])
  const child = spawn(join(bin, 'postgres'), ['-D', data, ...options], { ...quiet, stdio: 'ignore' })
  await reachable(join(directory, '.s.PGSQL.5432'), 'postgres')
  const address = (name: string): string => `postgres://bench@/${name}?host=${encodeURIComponent(directory)}`
  const sql = (text: string): void => {
    execFileSync(join(bin, 'psql'), ['-q', '-h', directory, '-U', 'bench', '-c', text, 'postgres'], quiet)
  }
  return {
    at: address('postgres'),
    version: versionOf(join(bin, 'postgres')) ?? 'unknown',
    database: (name) => {
      sql(`CREATE DATABASE ${name}`)
      return address(name)
    },
    stop: async () => {
      await ended(child, 'SIGINT')
      removeDirectory(directory)
    },
  }
}
