/**
 * The gate as a user of its own. Needs root to be seen; elsewhere the same programs have to say that they have none.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { applyConfig, parseConfig } from '../../src/config/config.ts'
import { staysBecause, type UserSeen } from '../../src/gate-user.ts'
import { userNumbersOf } from '../../src/model/users.ts'
import { placesOf } from '../../src/places.ts'
import { mayOpen } from '../../src/porter-rules.ts'
import { realDisk } from '../../src/std/real/real.ts'
import { until } from '../vault/rotation/world.ts'
import { fetchBy, grantFor, newPlace, setSecret, startSitter } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const isRoot = process.getuid?.() === 0
const wanted = userNumbersOf('testswarm').gate
const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

const alive = (pid: number): boolean => existsSync(`/proc/${pid}`) && !/^State:\s*[ZX]/m.test(statusOf(pid))
const statusOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return 'State: X'
  }
}
const childrenOf = (pid: number): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => new RegExp(`^PPid:\\s*${pid}$`, 'm').test(statusOf(one)))

const rotator = `#!/bin/sh
cat > "$(dirname "$0")/$SITTER_ROTATE.in"
id -u > "$(dirname "$0")/$SITTER_ROTATE.uid"
case $SITTER_ROTATE in mint) echo '{"secret": "the-second-secret"}' ;; *) exit 0 ;; esac
`

const world = async (more: readonly string[] = []) => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(() => place.remove(), upstream.close)
  const [script, places] = [join(place.directory, 'rotate.sh'), placesOf(place.data, place.directory)]
  writeFileSync(script, rotator)
  chmodSync(script, 0o755)
  const raw = {
    name: 'testswarm',
    agents: {},
    upstreams: {
      bank: {
        url: `http://${upstream.host}`,
        grant: [upstream.host],
        credentials: 'bank',
        allow: ['GET /v1/**', 'POST /v1/payouts'],
        money: ['POST /v1/payouts'],
      },
    },
    credentials: { bank: { kind: 'bearer', rotate: { command: [script], canary: '0s', overlap: '0s' } } },
  }
  const apply = async (changed: object): Promise<void> => {
    const config = parseConfig(changed, place.directory)
    const file = join(place.directory, 'swarm.config.json')
    await applyConfig(realDisk(), place.data, { file, raw: changed, baseDirectory: place.directory, config })
  }
  await apply(raw)
  mkdirSync(places.sockets, { recursive: true, mode: 0o700 })
  chmodSync(place.directory, 0o700)
  const cell = join(places.cells, 'cel_1')
  mkdirSync(cell, { recursive: true, mode: 0o700 })
  const start = async () => {
    const args = ['--disable-warning=ExperimentalWarning', program, '_gate', '--data-dir', place.data, ...more]
    const child = spawn(process.execPath, [...args, '--link-socket', place.socket], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
        XDG_CONFIG_HOME: place.config,
        XDG_RUNTIME_DIR: place.directory,
      },
    })
    closing.push(() => child.kill('SIGKILL'))
    const log: string[] = []
    createInterface(child.stdout!).on('line', (text) => log.push(text))
    const line = child.stdio[3] as Duplex
    const ready = Promise.withResolvers<string>()
    createInterface(line).on('line', (text) => text.startsWith('beat') || ready.resolve(text))
    expect(await ready.promise).toContain('ready ')
    return { child, log, line, pid: child.pid! }
  }
  const door = join(cell, 'gate.sock')
  const openDoor = (sitter: ReturnType<typeof startSitter>): Promise<unknown> => {
    sitter.link.openCell({
      cell: 'cel_1',
      socketPath: door,
      type: 'payer',
      agents: ['payer/0001'],
      upstreams: ['bank'],
    })
    return until(async () => existsSync(door), Boolean)
  }
  return {
    upstream,
    place,
    places,
    raw,
    apply,
    start,
    door,
    openDoor,
    beside: (name: string) => join(place.directory, name),
  }
}

test('the gate changes its user when all is open, and goes on: calls, doors, keys, rotations, another configuration, a freeze', async () => {
  const { upstream, place, places, raw, apply, start, door, openDoor, beside } = await world()
  const gate = await start()
  const sitter = startSitter(place)
  closing.push(() => sitter.link.stop())
  await sitter.linked()
  const { user } = await sitter.link.status()
  expect(user).toEqual(
    isRoot
      ? { uid: wanted, own: true, hidden: true, why: null }
      : { uid: process.getuid!(), own: false, hidden: false, why: expect.stringContaining('root') as string },
  )
  if (isRoot) {
    const uids = /^Uid:\s+(.*)$/m.exec(statusOf(gate.pid))![1]!.split('\t')
    expect(new Set(uids.map(Number))).toEqual(new Set([wanted]))
    expect(/^Groups:[ \t]*(.*)$/m.exec(statusOf(gate.pid))![1]!.trim()).toBe('')
    expect(/^CapEff:[ \t]*(.*)$/m.exec(statusOf(gate.pid))![1]).toMatch(/^0+$/)
    // Not even whoever is of the same user reads its memory.
    for (const name of ['environ', 'maps', 'mem'])
      expect(
        spawnSync('setpriv', ['--reuid', String(wanted), '--clear-groups', 'cat', `/proc/${gate.pid}/${name}`]).status,
      ).not.toBe(0)
  }
  await setSecret(sitter, 'the-first-secret')
  await openDoor(sitter)
  expect((await fetchBy(door, { path: '/bank/v1/work' })).status).toBe(201)
  const grant = grantFor()
  sitter.link.grant([grant])
  expect(await sitter.callOf(grant.grant)).toMatchObject({ outcome: { kind: 'answered' } })

  const [before] = readdirSync(join(place.config, 'swarmsitter'))
  await sitter.link.vaultRekey('file', 'test')
  const after = readdirSync(join(place.config, 'swarmsitter')).toSorted()
  expect(after).toEqual(['heads', before === 'heads' ? 'testswarm.key' : before, expect.stringContaining('former')])
  expect(statSync(join(place.config, 'swarmsitter', 'testswarm.key')).uid).toBe(process.getuid!())

  await sitter.link.vaultRenew('rotate', 'bank', null, 'test')
  const states = async () =>
    (await sitter.link.vaultList()).credentials.map(({ version, state }) => `${version} ${state}`)
  // It has been accepted when a call was answered.
  await until(
    async () => ((await fetchBy(door, { path: '/bank/v1/work' })).status, states()),
    (all) => all.join() === '1 revoked,2 active',
  )
  expect(upstream.seen.at(-1)!.headers['authorization']).toBe('Bearer the-second-secret')
  expect(JSON.parse(readFileSync(beside('mint.in'), 'utf8'))).toEqual({ secret: 'the-first-secret' })
  expect(Number(readFileSync(beside('mint.uid'), 'utf8'))).toBe(process.getuid!())
  const { vault } = await sitter.link.vaultList()
  expect({ outside: vault.outside, faults: vault.faults }).toEqual({ outside: 'kept', faults: [] })

  await apply({ ...raw, upstreams: { bank: { ...raw.upstreams.bank, allow: ['POST /v1/payouts'] } } })
  await sitter.link.config()
  expect((await fetchBy(door, { path: '/bank/v1/work' })).status).toBe(403)

  writeFileSync(places.frozen, '')
  await until(async () => (await sitter.link.status()).frozen, Boolean)
  rmSync(places.frozen)
  await until(
    async () => (await sitter.link.status()).frozen,
    (frozen) => !frozen,
  )

  sitter.link.closeCell('cel_1')
  await until(
    async () => existsSync(door),
    (there) => !there,
  )
  const ended = once(gate.child, 'exit')
  gate.line.destroy()
  expect(await ended).toEqual([0, null])
})

test('a gate that is killed leaves no porter, and one without its porter ends to be started again', async () => {
  const { place, start } = await world()
  const first = await start()
  const [porter] = childrenOf(first.pid)
  expect(porter !== undefined).toBe(isRoot)
  first.child.kill('SIGKILL')
  await once(first.child, 'exit')
  if (porter !== undefined)
    await until(
      async () => alive(porter),
      (lives) => !lives,
    )
  const second = await start()
  const sitter = startSitter(place)
  closing.push(() => sitter.link.stop())
  await sitter.linked()
  const [other] = childrenOf(second.pid)
  if (other === undefined) return
  const ended = once(second.child, 'exit')
  process.kill(other, 'SIGKILL')
  expect(await ended).toEqual([1, null])
})

const seen: UserSeen = {
  uid: 0,
  powers: '000001ffffffffff',
  uidMap: '         0          0 4294967295\n',
  gidMap: '         0          0 4294967295\n',
  unreadable: null,
}
test.each([
  ['root that may', {}, null],
  ['nobody special', { uid: 1_000, powers: '0000000000000000' }, /only root/],
  ['root whose powers were taken', { powers: '0000000000000000' }, /CAP_SETUID/],
  ['root without one of both', { powers: '0000000000000080' }, /CAP_SETUID/],
  ['a user namespace that knows few', { uidMap: '0 100000 65536\n' }, /namespace/],
  ['a program that only root can read', { unreadable: '/root' }, /\/root/],
  ['a system without users', { uid: null }, /no user ids/],
  ['a machine without /proc', { powers: null }, /cannot be seen/],
] as const)('%s: whether the gate gets a user of its own is told with the reason', (_, more, reason) => {
  const why = staysBecause({ ...seen, ...more }, wanted)
  if (reason === null) expect(why).toBe(null)
  else expect(why).toMatch(reason)
})

test('the porter opens what the gate needs and nothing else', () => {
  const places = placesOf('/srv/swarm/.sitter', '/run/user/0')
  const keyPlaces = { credentialsDirectory: '/run/credentials/x', configHome: '/root/.config' }
  const may = (deed: Parameters<typeof mayOpen>[1], path: string): boolean =>
    mayOpen({ places, keyPlaces, swarm: 'swarm' }, deed, path)
  const [data, own] = ['/srv/swarm/.sitter', '/root/.config/swarmsitter']
  const id = '0123456789abcdef0123456789abcdef'
  for (const [deed, path] of [
    ['readTextIfThere', `${data}/config/current.json`],
    ['readTextIfThere', `${data}/gate/vault.json`],
    ['writeWhole', `${data}/gate/vault.json`],
    ['writeWhole', `${own}/heads/${id}.json`],
    ['makeDirectory', `${own}/heads`],
    ['exists', `${data}/run/FROZEN`],
    ['exists', `${data}/gate/gate.db`],
    ['door', `${data}/cells/cel_1/gate.sock`],
    ['placeDoor', `${data}/cells/cel_1/gate.sock`],
    ['remove', `${data}/run/s/cel_1/gate.sock`],
    ['keyRead', `/run/credentials/x/swarm.key`],
    ['keyRead', `${own}/swarm.passphrase`],
    ['keyCreate', `${own}/swarm.key.next`],
    ['keyRename', `${own}/swarm.key.former-0123abcd`],
  ] as const)
    expect([deed, path, may(deed, path)]).toEqual([deed, path, true])
  for (const [deed, path] of [
    ['readTextIfThere', `${data}/run/operator.token`],
    ['readTextIfThere', `${data}/config/../run/operator.token`],
    ['readTextIfThere', '/etc/shadow'],
    ['writeWhole', `${data}/config/current.json`],
    ['writeWhole', `${own}/heads/../swarm.key`],
    ['writeWhole', `${own}/heads/x.json`],
    ['makeDirectory', '/etc'],
    ['remove', `${data}/swarm.db`],
    ['remove', `${data}/cells/cel_1`],
    ['door', `${data}/run/operator.sock`],
    ['door', `${data}/cells/cel_1/sitter.sock`],
    ['door', '/tmp/cel_1/gate.sock'],
    ['placeDoor', `${data}/run/operator.sock`],
    ['keyRead', `${own}/other.key`],
    ['keyRead', `${own}/swarm.token`],
    ['keyRead', `/root/.ssh/swarm.key`],
    ['keyCreate', `/run/credentials/x/swarm.key`],
    ['keyRename', `${own}/swarm.key.former-../../x`],
  ] as const)
    expect([deed, path, may(deed, path)]).toEqual([deed, path, false])
})
