/**
 * The swarm of the canaries, by the real command: who starts it asks Node for all that it can tell of what it does, in
 * every way there is to ask. All that command line and API say is kept.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processes, type Process } from '../crash/machine.ts'
import { formsOf } from './encodings.ts'

/** What Node's own rooms print of requests and connections. */
const everyRoom = 'http,https,http2,net,tls,undici,fetch,websocket,worker,child_process'
const root = join(import.meta.dirname, '..', '..')
/** What is looked for; it has what escapes differently in JSON, HTML and addresses. */
export const canary = 'canary"<&\\/9fZq27Lk'
export const secrets = ['one', 'two', 'three'].map((name) => `${canary}-${name}`)
export const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
/** Its beginning is that of every such key. */
const ofKey = [...formsOf(key.slice(-40))].map(([name, form]) => [`${name} of a key`, form] as const)
export const forms = new Map([...formsOf(canary), ...ofKey])

/** Where its upstreams are. */
export interface Places {
  readonly host: string
  /** By TLS, of an authority that only the gate is to trust. */
  readonly secure: { readonly host: string; readonly url: string; readonly pem: string }
}

/**
 * One credential of each kind, and how it renews itself; the canary is in the part that is secret, and where a key of
 * random bytes is that part, in the one beside it that is sent. All but certificates. `placed` is for programs that know
 * nothing of a gate.
 */
const settings = ({ host, secure }: Places) => {
  const upstream = (name: string) => ({
    url: name === 'placed' ? secure.url : `http://${host}`,
    grant: [name === 'placed' ? secure.host : host],
    credentials: name,
    allow: ['GET /v1/**', 'WEBSOCKET /v1/**'],
  })
  const now = { canary: '0s', overlap: '0s', gap: '0s' }
  const routes = { mint: 'POST /keys', list: 'GET /keys', whoami: 'GET /keys/self', revoke: 'DELETE /keys/{id}' }
  const program = ['node', join(import.meta.dirname, 'canary-rotator.mjs')]
  const oauth = {
    grant: 'refresh-token',
    token: `http://${host}/token`,
    hosts: [host],
    clientId: 'swarm',
    clientSecret: 'client',
  }
  const credentials = {
    api: { kind: 'bearer', pool: ['api-a', 'api-b'] },
    keyed: { kind: 'bearer', rotate: { ...routes, ...now } },
    made: { kind: 'bearer', rotate: { command: program, ...now } },
    grant: { kind: 'oauth', oauth },
    placed: { kind: 'bearer' },
    plain: { kind: 'basic' },
    named: { kind: 'header', header: 'x-api-key' },
    asked: { kind: 'query', parameter: 'api_key' },
    signed: { kind: 'hmac' },
    curve: { kind: 'ed25519', header: 'x-api-key' },
    cloud: { kind: 'sigv4', region: 'eu-north-1', service: 'work' },
    asserted: { kind: 'oauth', oauth: { ...oauth, grant: 'jwt-bearer' } },
    service: {
      kind: 'oauth',
      oauth: { grant: 'client-credentials', token: `http://${host}/own/token`, hosts: [host], clientId: 'swarm' },
    },
  }
  const upstreams = Object.fromEntries(Object.keys(credentials).map((name) => [name, upstream(name)]))
  const client = { kind: 'bearer', rotate: { ...routes, ...now, upstream: 'keyed' } }
  return { upstreams, credentials: { ...credentials, client } }
}

/** A program with a placeholder for its key. */
const program = (...exec: readonly string[]): object => ({
  run: { exec },
  upstreams: ['placed'],
  proxy: { placeholders: { BANK_KEY: 'placeholder' } },
  cell: { kind: 'sandbox', orWeaker: true },
})

interface Renewal {
  readonly name: string
  readonly phase: string
}

export class Swarm {
  readonly directory = mkdtempSync(join(tmpdir(), 'canary-'))
  readonly data = join(this.directory, 'data')
  readonly keyLog = join(this.directory, 'keys.log')
  readonly heard: string[] = []
  fault = ''
  #up: ChildProcess | undefined

  #environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.directory,
      XDG_CONFIG_HOME: join(this.directory, 'keys'),
      NODE_EXTRA_CA_CERTS: join(this.directory, 'ca.pem'),
      NODE_DEBUG: everyRoom,
    }
  }
  #words(words: readonly string[], flags: readonly string[] = []): string[] {
    const program = ['--conditions=source', '--disable-warning=ExperimentalWarning', join(root, 'src', 'main.ts')]
    return [...flags, ...program, ...words, '--data-dir', this.data]
  }
  /** What Node would tell of a process, by flags: an inspector, the keys of its TLS, what passes, and its environment. */
  get #telling(): readonly string[] {
    const file = join(this.directory, 'debug.env')
    writeFileSync(file, `NODE_DEBUG=${everyRoom}\n`)
    return ['--inspect=127.0.0.1:0', `--tls-keylog=${this.keyLog}`, '--trace-tls', `--env-file=${file}`]
  }
  async start(places: Places): Promise<void> {
    const { upstreams, credentials } = settings(places)
    writeFileSync(join(this.directory, 'ca.pem'), places.secure.pem)
    const run = { module: join(import.meta.dirname, 'canary-worker.ts') }
    const config = {
      name: 'canaries',
      agents: {
        caller: { run, count: 3, upstreams: Object.keys(upstreams).filter((name) => name !== 'placed') },
        python: program('python3', join(root, 'test', 'gateway', 'proxy', 'caller.py')),
        node: program(process.execPath, join(import.meta.dirname, 'canary-program.mjs')),
      },
      tasks: Object.fromEntries(
        Object.entries({ call: 'caller', talk: 'caller', python: 'python', node: 'node' }).map(([type, agent]) => [
          type,
          // A call that meets a gate that has just crashed is tried again.
          { agent, retry: { max: 3 } },
        ]),
      ),
      upstreams,
      credentials,
      api: { port: 0 },
    }
    writeFileSync(join(this.directory, 'swarm.config.json'), JSON.stringify(config))
    const up = spawn(process.execPath, this.#words(['up', join(this.directory, 'swarm.config.json')], this.#telling), {
      env: this.#environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#up = up
    for (const stream of [up.stdout, up.stderr]) stream.on('data', (text: Buffer) => this.heard.push(String(text)))
    await this.until(async () => (await this.api('agents'))['items'] !== undefined)
  }
  /** Asks until it is so; the API is the only witness. */
  async until(look: () => Promise<boolean>): Promise<void> {
    for (const end = performance.now() + 180_000; performance.now() < end;) {
      if (await look().catch(() => false)) return
      if (this.#up!.exitCode !== null || this.fault !== '') break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`it did not come to pass: ${this.fault}${this.heard.join('').slice(-2_000)}`)
  }
  cli(words: readonly string[], input = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { env: this.#environment(), maxBuffer: 1e8 }
      const child = execFile(process.execPath, this.#words(words), options, (error, out, err) => {
        this.heard.push(out, err)
        if (error === null || error.code === 4) resolve(out)
        else reject(new Error(`${words.join(' ')}: ${err}`))
      })
      child.stdin!.end(input)
    })
  }
  async api(path: string, body?: object): Promise<Record<string, unknown>> {
    const { url } = JSON.parse(readFileSync(join(this.data, 'run', 'api.json'), 'utf8')) as { url: string }
    const token = readFileSync(join(this.data, 'run', 'operator.token'), 'utf8').trim()
    // Never by a kept connection: while memory is looked through here, nothing hears that the other side has closed it.
    const answer = await fetch(`${url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    this.heard.push(text, JSON.stringify([...answer.headers]))
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return JSON.parse(text) as Record<string, unknown>
  }
  call(times: number, upstream = 'api', way = 'x'): Promise<unknown> {
    return this.work('call', { upstream, path: `/v1/${upstream}/${way}`, times })
  }
  /** A task to its end; gives its result. */
  async work(type: string, payload: object): Promise<unknown> {
    const { id } = await this.api('tasks', { type, payload })
    let result: unknown
    await this.until(async () => {
      const told = (await this.api(`tasks/${String(id)}`)) as { state?: { state?: string }; result?: string | null }
      if (told.state?.state === 'dead') this.fault = `a task died: ${JSON.stringify(told)}`
      result = JSON.parse(told.result ?? 'null')
      return told.state?.state === 'succeeded'
    })
    return result
  }
  /** To its end: the new key is proven by a call. */
  async rotate(name: string, ...more: readonly string[]): Promise<void> {
    const isIn = (phases: readonly string[]) => async (): Promise<boolean> => {
      const { renewals } = (await this.api('credentials')) as { renewals?: Renewal[] }
      return phases.includes(renewals?.find((renewal) => renewal.name === name)?.phase ?? 'none')
    }
    await this.cli(['vault', 'rotate', name, ...more])
    await this.until(isIn(['draining', 'revoking']))
    await this.call(1, name)
    await this.until(isIn(['idle']))
  }
  /** All of its processes, the watch first. */
  processes(): readonly Process[] {
    const all = processes()
    const own = [all.find(({ pid }) => pid === this.#up!.pid)!]
    for (const one of own) own.push(...all.filter(({ parent }) => parent === one.pid))
    return own
  }
  async stop(): Promise<void> {
    if (this.#up === undefined || this.#up.exitCode !== null) return
    this.#up.kill('SIGTERM')
    await once(this.#up, 'exit')
  }
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
