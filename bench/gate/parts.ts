/** nginx and the gate, each as a process of its own, on sockets of a directory. */
import { spawn, type ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { openGateLink, type GateLink } from '../../src/gatelink/gatelink.ts'
import { gateFlags } from '../../src/passed-on.ts'
import { realClock, realNet, realRandom } from '../../src/std/real/real.ts'
import { sealTo } from '../../src/wire/seal.ts'
import { until } from '../programs.ts'

/** What every upstream of the bench answers: 100 bytes of JSON. */
export const answerBytes = 100

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as { readonly port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

export const answersAt = (at: { readonly path: string } | { readonly port: number; readonly host: string }) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(at as never, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })

const running: ChildProcess[] = []
/** Everything that was started here. */
export const stopAll = (): void => {
  // nginx ends its workers when it is asked to; killed, it leaves them.
  for (const child of running.splice(0)) child.kill(child.spawnfile === 'nginx' ? 'SIGTERM' : 'SIGKILL')
}

const nginx = (directory: string, name: string, http: string): ChildProcess => {
  const file = join(directory, `${name}.conf`)
  const body = JSON.stringify({ fill: '' })
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${directory}/${name}.pid; error_log ${directory}/${name}.log crit;
     events { worker_connections 4096; }
     http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; ${http.replaceAll(
       'BODY',
       JSON.stringify({ fill: 'x'.repeat(answerBytes - body.length) }),
     )} }`,
  )
  const child = spawn('nginx', ['-p', directory, '-c', file], { stdio: 'ignore' })
  running.push(child)
  return child
}

/** @throws when nginx is not installed. */
export const startUpstream = async (directory: string): Promise<string> => {
  const port = await freePort()
  const child = nginx(
    directory,
    'upstream',
    `server { listen 127.0.0.1:${port}; location / { default_type application/json; return 200 'BODY'; } }`,
  )
  await new Promise<void>((resolve, reject) => {
    child.once('error', () => reject(new Error('nginx is not installed')))
    void until(() => answersAt({ host: '127.0.0.1', port }), 20, 5_000).then(resolve, reject)
  })
  return `127.0.0.1:${port}`
}

/** An upstream whose answers do not end. */
export const startSayer = async (everyMs: number): Promise<string> => {
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'sayer.ts'), String(everyMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  running.push(child)
  for await (const port of createInterface({ input: child.stdout })) return `127.0.0.1:${port}`
  throw new Error('the upstream did not start')
}

/** Node's own proxy, without any of ours. */
export const startBare = async (
  directory: string,
  upstream: string,
): Promise<{ readonly path: string; readonly pid: number }> => {
  const path = join(directory, 'bare.sock')
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'bare.ts'), path, upstream], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  running.push(child)
  await until(() => answersAt({ path }), 20, 10_000)
  return { path, pid: child.pid! }
}

/** nginx as it is before the upstream: a proxy with connections that are kept. */
export const startProxy = async (
  directory: string,
  upstream: string,
): Promise<{ readonly path: string; readonly pid: number }> => {
  const path = join(directory, 'proxy.sock')
  const child = nginx(
    directory,
    'proxy',
    `upstream far { server ${upstream}; keepalive 512; }
     server { listen unix:${path}; location / {
       proxy_pass http://far/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } }`,
  )
  await until(() => answersAt({ path }), 20, 5_000)
  return { path, pid: child.pid! }
}

export interface Weight {
  readonly rss: number
  /** What is in use, garbage left out. */
  readonly heapUsed: number
  readonly external: number
  readonly inFlight: number
}

export interface BenchGate {
  readonly link: GateLink
  readonly pid: number
  end(): void
  /** The socket of a cell with these agents. */
  door(cell: string, agents: readonly string[], upstreams?: readonly string[]): Promise<string>
  /** What it weighs now, in bytes. */
  weighs(): Promise<Weight>
}

export const startGate = async (directory: string, config: unknown, secret: string | null): Promise<BenchGate> => {
  const socketPath = join(directory, 'gate.sock')
  const child = spawn(
    process.execPath,
    [
      '--expose-gc',
      ...process.execArgv,
      ...gateFlags,
      join(import.meta.dirname, 'gate.ts'),
      JSON.stringify({ directory, socket: socketPath, config }),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  running.push(child)
  const lines: Interface = createInterface({ input: child.stdout })
  const said = lines[Symbol.asyncIterator]()
  await said.next()
  const { promise, resolve } = Promise.withResolvers<void>()
  const link = openGateLink({
    net: realNet(),
    clock: realClock(),
    random: realRandom(),
    socketPath,
    swarm: 'bench',
    owner: 'bench',
    epoch: 1,
    events: { linked: () => resolve(), lost: () => {}, uses: async () => {}, call: async () => {} },
  })
  await promise
  await link.modes([])
  if (secret !== null) {
    const { sealingKey } = await link.vaultList()
    await link.vaultSet('far', sealTo(sealingKey, secret), 'bench')
  }
  return {
    link,
    pid: child.pid!,
    end: () => child.stdin.end(),
    door: async (cell, agents, upstreams = ['far']) => {
      const path = join(directory, `${cell}.sock`)
      link.openCell({ cell, socketPath: path, type: 'caller', agents, upstreams })
      await until(() => answersAt({ path }), 5, 5_000)
      return path
    },
    weighs: async () => {
      child.stdin.write('\n')
      const { value } = await said.next()
      return JSON.parse(value as string) as Weight
    },
  }
}
