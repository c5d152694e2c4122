/**
 * A swarm by the real command, whose secrets are canaries: set, used, echoed, replaced, rekeyed, exported, imported, and
 * its gate crashed. Afterwards they are looked for in every form, everywhere but in the gate.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { expect, test } from 'vitest'
import { sealTo } from '../../src/wire/seal.ts'
import { processes, programOf, type Process } from '../crash/machine.ts'
import { openEcho } from './canary-echo.ts'
import { filesBelow, formsOf, hitsIn, hitsInMemory } from './encodings.ts'

const root = join(import.meta.dirname, '..', '..')
/** What is looked for; it has what escapes differently in JSON, HTML and addresses. */
const canary = 'canary"<&\\/9fZq27Lk'
const secrets = ['one', 'two', 'three'].map((name) => `${canary}-${name}`)
const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
/** Its beginning is that of every such key. */
const ofKey = [...formsOf(key.slice(-40))].map(([name, form]) => [`${name} of a key`, form] as const)
const forms = new Map([...formsOf(canary), ...ofKey])

/**
 * One credential of each kind, and how it renews itself; the canary is in the part that is secret, and where a key of
 * random bytes is that part, in the one beside it that is sent. All but certificates.
 */
const settings = (host: string) => {
  const upstream = (name: string) => ({
    url: `http://${host}`,
    grant: [host],
    credentials: name,
    allow: ['GET /v1/**'],
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

interface Renewal {
  readonly name: string
  readonly phase: string
}

class Swarm {
  readonly directory = mkdtempSync(join(tmpdir(), 'canary-'))
  readonly data = join(this.directory, 'data')
  readonly heard: string[] = []
  fault = ''
  #up: ChildProcess | undefined

  #environment(): NodeJS.ProcessEnv {
    return { PATH: process.env['PATH'], HOME: this.directory, XDG_CONFIG_HOME: join(this.directory, 'keys') }
  }
  #words(words: readonly string[]): string[] {
    const flags = ['--conditions=source', '--disable-warning=ExperimentalWarning', join(root, 'src', 'main.ts')]
    return [...flags, ...words, '--data-dir', this.data]
  }
  async start(host: string): Promise<void> {
    const { upstreams, credentials } = settings(host)
    const run = { module: join(import.meta.dirname, 'canary-worker.ts') }
    const config = {
      name: 'canaries',
      agents: { caller: { run, count: 3, upstreams: Object.keys(upstreams) } },
      tasks: { call: { agent: 'caller', retry: { max: 1 } } },
      upstreams,
      credentials,
      api: { port: 0 },
    }
    writeFileSync(join(this.directory, 'swarm.config.json'), JSON.stringify(config))
    const up = spawn(process.execPath, this.#words(['up', join(this.directory, 'swarm.config.json')]), {
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
    const answer = await fetch(`${url}/api/v1/${path}`, {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    this.heard.push(text, JSON.stringify([...answer.headers]))
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return JSON.parse(text) as Record<string, unknown>
  }
  async call(times: number, upstream = 'api', way = 'x'): Promise<void> {
    const payload = { upstream, path: `/v1/${upstream}/${way}`, times }
    const { id } = await this.api('tasks', { type: 'call', payload })
    await this.until(async () => {
      const { state } = (await this.api(`tasks/${String(id)}`)) as { state?: { state?: string } }
      if (state?.state === 'dead') this.fault = `a task died: ${JSON.stringify(await this.api(`tasks/${String(id)}`))}`
      return state?.state === 'succeeded'
    })
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

/** Every kind of credential, every way to renew one, every form of an answer. */
const useKinds = async (swarm: Swarm): Promise<void> => {
  const form: Readonly<Record<string, string>> = { plain: 'me:', signed: 'id:', cloud: 'id:' }
  const whole: Readonly<Record<string, string>> = { curve: `${canary}-of-curve:${key}`, asserted: key }
  const { sealingKey } = await swarm.api('credentials')
  const sent = ['keyed', 'made', 'plain', 'named', 'asked', 'signed', 'curve', 'cloud']
  const used = [...sent, 'grant', 'asserted', 'service']
  for (const name of ['client', ...used]) {
    const secret = whole[name] ?? `${form[name] ?? ''}${canary}-of-${name}`
    await swarm.api('credentials', { name, sealed: sealTo(String(sealingKey), secret) })
  }
  for (const name of used) for (const way of ['x', 'stream', 'packed']) await swarm.call(1, name, way)
  for (const name of ['keyed', 'made']) await swarm.rotate(name)
  await swarm.rotate('keyed', '--compromised')
  // It is tried by a token, before anything depends on it.
  await swarm.cli(['vault', 'rotate', 'client', '--wait', '2m'])
  for (const name of ['keyed', 'made']) await swarm.call(2, name)
  await swarm.cli(['backup', join(swarm.directory, 'backup')])
}

/** Uses in the audit log by what they were of: calls by their upstream, `token`, and programs. */
const countUses = async (swarm: Swarm): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {}
  const listed = await swarm.cli(['audit', 'search', '--action', 'credential.use', '--json'])
  const { items } = JSON.parse(listed) as { items: readonly { facts: { upstream: string }; decision: string }[] }
  for (const { facts, decision } of items) {
    const name = facts.upstream.split(':')[0]!
    if (decision === 'allowed') counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** Uses all that touches a secret. */
const useEverything = async (swarm: Swarm): Promise<void> => {
  await swarm.cli(['vault', 'set', 'api-a'], `${secrets[0]!}\n`)
  await swarm.call(4)
  await swarm.cli(['vault', 'set', 'api-a'], secrets[1]!)
  await swarm.call(3)
  await swarm.cli(['vault', 'rekey'])
  await swarm.call(2)
  await swarm.cli(['vault', 'import', '-', '--dry-run'], `API_B=${secrets[2]!}\n`)
  await swarm.cli(['vault', 'import', '-'], `API_B=${secrets[2]!}\n`)
  const recipient = await identityToRecipient(await generateIdentity())
  await swarm.cli(['vault', 'export', '--to', recipient])
  await useKinds(swarm)
  // Not sealed to this gate, no bearer text, a value where a name belongs: refused without repeating it.
  await expect(swarm.api('credentials', { name: 'api-a', sealed: 'sealed:v1:AAAA.BBBB' })).rejects.toThrow('422')
  await expect(swarm.cli(['vault', 'set', 'api-a'], `${secrets[0]!} with spaces`)).rejects.toThrow('invalid')
  await expect(swarm.cli(['vault', 'set', secrets[0]!])).rejects.toThrow('error')
}

const lookAtEverything = async (swarm: Swarm): Promise<void> => {
  for (const words of [
    ['vault', 'ls'],
    ['vault', 'status'],
    ['vault', 'ls', '--json'],
    ['audit', 'search'],
    ['logs'],
    ['metrics'],
  ])
    await swarm.cli(words)
  for (const path of [
    'credentials',
    'config/current',
    'events',
    'upstreams',
    'logs',
    'audit/entries?limit=1000',
    'metrics',
  ])
    await swarm.api(path)
}

const crashGate = async (swarm: Swarm): Promise<Process> => {
  const gate = programOf('gate', swarm.data)!
  const limits = readFileSync(`/proc/${gate.pid}/limits`, 'utf8')
  expect(/^Max core file size +([01]) /m.exec(limits)).not.toBe(null)
  // The order to open Node's inspector: nothing listens afterwards.
  process.kill(gate.pid, 'SIGUSR1')
  process.kill(gate.pid, 'SIGSEGV')
  await swarm.until(async () => {
    const { pid } = programOf('gate', swarm.data) ?? gate
    return pid !== gate.pid && (await swarm.api('credentials'))['sealingKey'] !== undefined
  })
  return gate
}

test('a canary is nowhere but in the gate and at the host that it is for', { timeout: 600_000 }, async () => {
  const echo = await openEcho(canary)
  const swarm = new Swarm()
  try {
    await swarm.start(echo.host)
    await useEverything(swarm)
    const crashed = await crashGate(swarm)
    await swarm.call(2)
    await lookAtEverything(swarm)
    // The upstream did get them, and as often as the audit says: a key's routes belong to the upstream that has them.
    expect(echo.shown.filter((told) => told.startsWith(`Bearer ${canary}`)).length).toBeGreaterThan(20)
    expect(echo.given.length).toBeGreaterThan(2)
    const seen = Object.fromEntries(echo.seen)
    const { keys = 0, token = 0, own = 0, keyed = 0, ...others } = seen
    // Where the client's secret is another one, a request for a token shows two.
    const expected = { ...others, keyed: keyed + keys, token: 2 * token + own }
    await swarm.until(async () => {
      const { program: _, ...counts } = await countUses(swarm)
      return isDeepStrictEqual(counts, expected)
    })
    expect(JSON.parse(await swarm.cli(['audit', 'verify', '--json']))).toMatchObject({ ok: true })

    // A look that finds nothing must be able to find something.
    expect(hitsInMemory(process.pid, forms)).toContain('raw')
    const gate = programOf('gate', swarm.data)!
    for (const { pid, command } of swarm.processes()) {
      for (const file of ['environ', 'cmdline'])
        expect(hitsIn(readFileSync(`/proc/${pid}/${file}`), forms), `${file} of ${command}`).toEqual([])
      if (pid !== gate.pid) expect(hitsInMemory(pid, forms), `memory of ${command}`).toEqual([])
    }
    await swarm.stop()
    expect(hitsIn(Buffer.from(swarm.heard.join('\n')), forms), 'what CLI and API said').toEqual([])
    for (const file of filesBelow(swarm.directory)) expect(hitsIn(readFileSync(file), forms), file).toEqual([])
    expect(
      filesBelow(swarm.directory).filter((file) => file.includes('core') && file.includes(String(crashed.pid))),
    ).toEqual([])
  } finally {
    await swarm.stop()
    echo.close()
    swarm.remove()
  }
})
