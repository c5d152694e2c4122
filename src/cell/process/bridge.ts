/**
 * For programs that know no gate. In a cell nothing leads out but a Unix socket, which HTTP libraries cannot speak to:
 * this listens on the cell's loopback and passes each connection on to that socket, whose other end is a proxy. Runs
 * inside of the cell, as its user, and imports nothing of ours.
 *
 *   start ─▶ /bin/sh ─▶ serve (its own parent is gone by then)
 *     └─ execve: becomes the program, with the proxy in its environment
 *
 * So the program has the process that was started for it, and no child that it does not know of. `shared`: the loopback
 * is the machine's, where others live too; then each connection must show a word that only this program was told.
 */
import { spawn } from 'node:child_process'
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'

interface Served {
  readonly port: number
  /** The word of `shared`; empty where nobody else is on the loopback. */
  readonly token: string
  readonly certificate: string
}

const mode = process.argv[3] === 'shared' ? 'shared' : 'own'
const gateSocket = process.env['SITTER_GATE'] ?? ''
/** The gate makes a cell's socket when it has heard of the cell, and may just be starting again. */
const gateWithinMs = 8_000
/** A gate that was killed is back within a second, or within some on a busy machine; nothing has left yet. */
const awayWithinMs = 5_000
const lookEveryMs = 20
const mostConnections = 1_000
const mostHeadBytes = 16_384
const headWithinMs = 10_000

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

/** One answer of the gate, whole. */
const askGate = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = ''
    const socket = connect(gateSocket, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n\r\n`)
    })
    socket.setEncoding('latin1')
    socket.setTimeout(gateWithinMs, () => socket.destroy(new Error('the gate does not answer')))
    socket.on('data', (chunk: string) => {
      said += chunk
    })
    socket.on('error', reject)
    socket.on('end', () => resolve(said))
  })

const certificateOfGate = async (): Promise<string> => {
  const untilMs = performance.now() + gateWithinMs
  for (;;) {
    try {
      const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(await askGate('/.gate/ca.pem'))
      if (pem !== null) return pem[0]
    } catch (error) {
      if (performance.now() > untilMs) throw error
    }
    if (performance.now() > untilMs) throw new Error('the gate gave no certificate')
    await pause(lookEveryMs)
  }
}

/** Whether the first head of a connection shows the word. */
const shows = (head: string, token: string): boolean => {
  const packed = /^proxy-authorization:[ \t]*basic[ \t]+(\S+)[ \t]*$/im.exec(head)?.[1] ?? ''
  const said = Buffer.from(Buffer.from(packed, 'base64').toString('latin1').split(':').at(-1) ?? '', 'latin1')
  const wanted = Buffer.from(token)
  return said.length === wanted.length && timingSafeEqual(said, wanted)
}

const strangers =
  'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="sitter"\r\n' +
  'content-length: 0\r\nconnection: close\r\n\r\n'

/** A connection to the gate; one that is away is waited for, while `isWanted`. Undefined: it stayed away. */
const reachGate = async (isWanted: () => boolean): Promise<Socket | undefined> => {
  const untilMs = performance.now() + awayWithinMs
  while (isWanted()) {
    const gate = connect({ path: gateSocket, allowHalfOpen: true })
    const isThere = await new Promise<boolean>((resolve) => {
      gate.once('connect', () => resolve(true)).on('error', () => resolve(false))
    })
    if (isThere) return gate
    if (performance.now() > untilMs) return undefined
    await pause(lookEveryMs)
  }
  return undefined
}

const pass = async (socket: Socket, first: Buffer): Promise<void> => {
  // Until somebody reads it, what the program says stays with the kernel.
  socket.pause().on('error', () => socket.destroy())
  const gate = await reachGate(() => !socket.destroyed)
  const end = (): void => {
    socket.destroy()
    gate?.destroy()
  }
  if (gate === undefined || socket.destroyed) return end()
  socket.on('close', end)
  gate.on('error', end).on('close', end)
  if (first.length > 0) gate.write(first)
  socket.pipe(gate)
  gate.pipe(socket)
}

const check = (socket: Socket, token: string): void => {
  let head = Buffer.alloc(0)
  const refuse = (): void => {
    socket.destroy()
  }
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0 && head.length <= mostHeadBytes) return
    socket.off('data', read).off('error', refuse).off('timeout', refuse).setTimeout(0)
    if (end >= 0 && shows(head.toString('latin1', 0, end), token)) void pass(socket, head)
    else socket.on('error', refuse).end(strangers)
  }
  socket.on('data', read).on('error', refuse).on('timeout', refuse).setTimeout(headWithinMs)
}

const serve = async (): Promise<void> => {
  // Told to its whole group: the program may still have calls to make before it ends, and we end with it.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const folder = mode === 'shared' ? dirname(gateSocket) : (process.env['TMPDIR'] ?? '/tmp')
  const certificate = join(folder, 'gate-ca.pem')
  writeFileSync(`${certificate}.${process.pid}`, await certificateOfGate())
  renameSync(`${certificate}.${process.pid}`, certificate)
  const token = mode === 'shared' ? randomBytes(24).toString('hex') : ''
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (mode === 'shared') check(socket, token)
    else void pass(socket, Buffer.alloc(0))
  })
  server.maxConnections = mostConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as { readonly port: number }
  const served: Served = { port, token, certificate }
  process.stdout.end(`${JSON.stringify(served)}\n`)
}

/** By the names that libraries look for. */
const environmentOf = ({ port, token, certificate }: Served): Readonly<Record<string, string>> => {
  const agent = encodeURIComponent(process.env['SITTER_AGENT'] ?? 'sitter')
  const url = `http://${token === '' ? '' : `${agent}:${token}@`}127.0.0.1:${port}`
  const own = 'localhost,127.0.0.1,::1'
  const proxies = { HTTPS_PROXY: url, https_proxy: url, HTTP_PROXY: url, http_proxy: url, NO_PROXY: own, no_proxy: own }
  const ofNode = { NODE_USE_ENV_PROXY: '1', NODE_EXTRA_CA_CERTS: certificate, DENO_CERT: certificate }
  const bundles = [
    'SSL_CERT_FILE',
    'REQUESTS_CA_BUNDLE',
    'CURL_CA_BUNDLE',
    'AWS_CA_BUNDLE',
    'GIT_SSL_CAINFO',
    'PIP_CERT',
  ]
  return { ...proxies, ...ofNode, ...Object.fromEntries(bundles.map((name) => [name, certificate])) }
}

const readLine = async (stream: NodeJS.ReadableStream): Promise<string> => {
  let said = ''
  for await (const chunk of stream) said += String(chunk)
  return said
}

const start = async (): Promise<void> => {
  const [program = '', ...args] = process.argv.slice(process.argv.indexOf('--') + 1)
  // The shell leaves at once, and what it began has no parent in this program: nothing for it to wait for.
  const own = [process.execPath, ...process.execArgv, import.meta.filename, 'serve', mode]
  const shell = spawn('/bin/sh', ['-c', '"$@" &', 'sh', ...own], { stdio: ['ignore', 'pipe', 'ignore'] })
  const left = new Promise((resolve) => {
    shell.once('close', resolve)
  })
  const line = await readLine(shell.stdout)
  await left
  const served = JSON.parse(line === '' ? '{"error":"it ended"}' : line) as Served | { readonly error: string }
  if ('error' in served) throw new Error(served.error)
  // Node ignores these, and who is ignored stays so over execve.
  for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(signal, () => {}).removeAllListeners(signal)
  process.execve!(program, [program, ...args], { ...process.env, ...environmentOf(served) })
}

try {
  await (process.argv[2] === 'serve' ? serve() : start())
} catch (error) {
  const { message } = error as Error
  if (process.argv[2] === 'serve') process.stdout.end(JSON.stringify({ error: message }))
  else {
    process.stderr.write(`the way to the gate could not be opened: ${message}\n`)
    process.exitCode = 75
  }
}
