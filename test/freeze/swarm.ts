/** A data directory with an applied configuration, and the real programs over it, each a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { applyConfig, parseConfig } from '../../src/config/config.ts'
import { placesOf, type Places } from '../../src/places.ts'
import { realDisk } from '../../src/std/real/real.ts'

export const token = 'swt_freeze-test-0123456789abcdef'
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning']

export interface Upstream {
  readonly host: string
  /** Paths that it has seen, in order. */
  readonly seen: readonly string[]
  /** While held, it answers nobody. */
  hold(): () => void
  close(): void
}
export const openUpstream = async (): Promise<Upstream> => {
  const seen: string[] = []
  let held: Promise<void> = Promise.resolve()
  const server = createServer((asked, answer) => {
    seen.push(asked.url ?? '')
    void held.then(() => answer.end('fine'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return resolve
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

export interface TestSwarm {
  readonly places: Places
  readonly cellSocket: string
  /** Starts `_gate` or `_sitter`; resolves when it says that it is ready, with what it said. */
  start(name: 'gate' | 'sitter'): Promise<{ readonly child: ChildProcess; readonly facts: Record<string, unknown> }>
  /** The link's end of test/freeze/held-sitter.ts, once its cell is open. */
  holdLink(): Promise<ChildProcess>
  cli(...argv: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }>
  /** A call of the agent through its cell's socket: the status and the code of a refusal. */
  call(path: string): Promise<{ readonly status: number; readonly code: string }>
  end(): void
}

export const openSwarm = async (upstream: { readonly host: string }): Promise<TestSwarm> => {
  const directory = mkdtempSync(join(tmpdir(), 'frz-'))
  const data = join(directory, 'd')
  const places = placesOf(data, directory)
  const env = { PATH: process.env['PATH'], XDG_CONFIG_HOME: join(directory, 'c'), XDG_RUNTIME_DIR: directory }
  const cell = join(places.sockets, 'cel_1')
  for (const folder of [data, places.run, places.sockets, cell, places.logs, places.cells]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
  }
  writeFileSync(places.token, `${token}\n`, { mode: 0o600 })
  const raw = {
    name: 'tiny',
    agents: {},
    upstreams: { bank: { url: `http://${upstream.host}`, grant: [upstream.host], allow: ['GET /v1/**'] } },
    api: { port: 0 },
  }
  const config = parseConfig(raw, directory)
  await applyConfig(realDisk(), data, {
    file: join(directory, 'swarm.config.json'),
    raw,
    baseDirectory: directory,
    config,
  })
  const cellSocket = join(cell, 'gate.sock')
  const children: ChildProcess[] = []
  const start: TestSwarm['start'] = async (name) => {
    const child = spawn(process.execPath, [...flags, main, `_${name}`, '--data-dir', data], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env,
    })
    children.push(child)
    const said = Promise.withResolvers<string>()
    createInterface(child.stdio[3] as Duplex).on('line', (line) => {
      if (!line.startsWith('beat')) said.resolve(line)
    })
    const line = await said.promise
    if (!line.startsWith('ready ')) throw new Error(line)
    return { child, facts: JSON.parse(line.slice(6)) as Record<string, unknown> }
  }
  return {
    places,
    cellSocket,
    start,
    holdLink: async () => {
      const child = spawn(
        process.execPath,
        [...flags, join(import.meta.dirname, 'held-sitter.ts'), places.gateSocket, cellSocket],
        { stdio: ['ignore', 'pipe', 'inherit'], env },
      )
      children.push(child)
      await once(createInterface(child.stdout!), 'line')
      return child
    },
    cli: async (...argv) => {
      const child = spawn(process.execPath, [...flags, main, ...argv, '--data-dir', data], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...env, USER: 'ada' },
      })
      let [out, err] = ['', '']
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
      const [code] = (await once(child, 'close')) as [number]
      return { code, out, err }
    },
    call: (path) =>
      new Promise((resolve, reject) => {
        const asked = request({ socketPath: cellSocket, path: `/bank${path}`, headers: { host: 'gate' } }, (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (chunk: string) => (text += chunk))
          answer.on('end', () =>
            resolve({ status: answer.statusCode!, code: /"code":"([a-z-]+)"/.exec(text)?.[1] ?? '' }),
          )
        })
        asked.on('error', reject)
        asked.end()
      }),
    end: () => {
      for (const child of children) child.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** The address that a ready sitter told, asked with the operator's token. */
export const ask = async (url: unknown, path: string, body?: unknown): Promise<Record<string, unknown>> => {
  const answer = await fetch(`${String(url)}/api/v1/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  return (await answer.json()) as Record<string, unknown>
}

export const readNote = (places: Places): Record<string, unknown> =>
  JSON.parse(readFileSync(places.frozen, 'utf8')) as Record<string, unknown>
