/**
 * A swarm by the real command, whose secrets are canaries: set, used, echoed, replaced, rekeyed, exported, imported, and
 * its gate crashed; with agents, their sockets, and programs that know of no gate. Afterwards they are looked for in
 * every form, everywhere but in the gate.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { expect, test } from 'vitest'
import { sealTo } from '../../src/wire/seal.ts'
import { isThere, programOf, type Process } from '../crash/machine.ts'
import { openSecureUpstream } from '../gateway/proxy/secure.ts'
import { openEcho } from './canary-echo.ts'
import { canary, forms, key, secrets, Swarm } from './canary-swarm.ts'
import { filesBelow, hitsIn, hitsInMemory } from './encodings.ts'

/** Messages of sockets, and programs that know nothing of a gate. One of these goes on, with all that it was told. */
const talkAndPlace = async (swarm: Swarm, url: string): Promise<string> => {
  for (const upstream of ['api', 'grant', 'plain', 'named', 'asked']) {
    const heard = (await swarm.work('talk', { upstream })) as readonly string[]
    // Each was said, and something was blotted out of nearly all of them.
    expect(heard.length, upstream).toBeGreaterThan(10)
    expect(heard.filter((text) => text.includes('******')).length, heard.join('\n')).toBeGreaterThan(6)
    expect(heard.at(-1)).toContain('"code":4000')
  }
  const urls = ['x', 'stream', 'packed'].map((way) => `${url}/v1/placed/${way}`)
  for (const type of ['python', 'node']) {
    const told = JSON.stringify(await swarm.work(type, { urls, dials: [] }))
    expect(told.match(/Bearer \*{20}/g)?.length, told).toBeGreaterThan(2)
  }
  const { id } = await swarm.api('tasks', { type: 'node', payload: { urls, stay: true } })
  await swarm.until(async () => {
    const { items } = await swarm.api('logs?grep=it%20stays%20with%20all')
    return (items as readonly unknown[]).length > 0
  })
  return String(id)
}

/** Every kind of credential, every way to renew one, every form of an answer. */
const useKinds = async (swarm: Swarm): Promise<void> => {
  const form: Readonly<Record<string, string>> = { plain: 'me:', signed: 'id:', cloud: 'id:' }
  const whole: Readonly<Record<string, string>> = { curve: `${canary}-of-curve:${key}`, asserted: key }
  const { sealingKey } = await swarm.api('credentials')
  const sent = ['keyed', 'made', 'plain', 'named', 'asked', 'signed', 'curve', 'cloud']
  const used = [...sent, 'grant', 'asserted', 'service']
  for (const name of ['client', 'placed', ...used]) {
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

/** Hits in what others see of a process, and, unless it may know them, in its memory; undefined when it has ended. */
const hitsOf = (one: Process, mayKnow: boolean) => {
  try {
    const files = ['environ', 'cmdline'].map((file) => readFileSync(`/proc/${one.pid}/${file}`))
    return { outside: hitsIn(Buffer.concat(files), forms), inside: mayKnow ? [] : hitsInMemory(one.pid, forms) }
  } catch (error) {
    if (isThere(one)) throw error
    return undefined
  }
}

/** TCP ports that a process listens at. */
const listensAt = (pid: number): readonly number[] => {
  const ends = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
  const lines = ['tcp', 'tcp6'].flatMap((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8').trim().split('\n'))
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
    return state === '0A' && ends.includes(`socket:[${inode}]`) ? [Number.parseInt(local.split(':')[1]!, 16)] : []
  })
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

test('a canary is nowhere but in the gate and at the host that it is for', { timeout: 900_000 }, async () => {
  const echo = await openEcho(canary)
  const secure = await openSecureUpstream('127.0.0.2')
  secure.answer(echo.answer)
  const swarm = new Swarm()
  try {
    await swarm.start({ host: echo.host, secure })
    await useEverything(swarm)
    const staying = await talkAndPlace(swarm, secure.url)
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
    const looked = swarm.processes().flatMap((one) => {
      const hits = hitsOf(one, one.pid === gate.pid)
      return hits === undefined ? [] : [{ command: one.command, ...hits }]
    })
    expect(looked.filter(({ inside, outside }) => inside.length + outside.length > 0)).toEqual([])
    const commands = looked.map(({ command }) => command).join('\n')
    for (const one of [' up ', '_gate', '_sitter', 'pool/host', 'bridge', 'canary-program.mjs'])
      expect(commands).toContain(one)
    // Whoever started it asked Node for an inspector, for the keys of TLS and for all that passes: not of the gate.
    expect([listensAt(gate.pid), existsSync(swarm.keyLog)]).toEqual([[], false])
    await swarm.api(`tasks/${staying}/cancel`, {})
    await swarm.stop()
    expect(swarm.heard.join('')).toContain('Debugger listening')
    expect(hitsIn(Buffer.from(swarm.heard.join('\n')), forms), 'what CLI and API said').toEqual([])
    for (const file of filesBelow(swarm.directory)) expect(hitsIn(readFileSync(file), forms), file).toEqual([])
    expect(
      filesBelow(swarm.directory).filter((file) => file.includes('core') && file.includes(String(crashed.pid))),
    ).toEqual([])
  } finally {
    await swarm.stop()
    echo.close()
    await secure.close()
    swarm.remove()
  }
})
