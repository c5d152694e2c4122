/**
 * A swarm's files in a stranger's hands: whatever is missing, wrong, cut off or flipped, the real command says by its
 * exit code and words what it is, shows no secret, and leaves what it refused as it was.
 */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealTo } from '../../src/wire/seal.ts'
import { kill, processes } from '../crash/machine.ts'
import { Swarm, type Ended } from '../live/swarm.ts'
import { filesBelow, formsOf, hitsIn } from './encodings.ts'
import { hashOf } from './place.ts'

const root = join(import.meta.dirname, '..', '..')
const canary = 'canary"<&\\/of-a-stolen-swarm'
const forms = formsOf(canary)
const config = {
  name: 'stolen',
  agents: { caller: { run: { module: join(root, 'test', 'live', 'worker.ts') }, count: 1, upstreams: ['api'] } },
  tasks: { call: { agent: 'caller' } },
  upstreams: {
    api: { url: 'http://127.0.0.1:9', grant: ['127.0.0.1:9'], credentials: 'api', allow: ['GET /v1/**'] },
    other: { url: 'http://127.0.0.1:9', grant: ['127.0.0.1:9'], credentials: 'other', allow: ['GET /v1/**'] },
  },
  credentials: { api: { kind: 'bearer' }, other: { kind: 'bearer' } },
  api: { port: 0 },
}
const keyOf = (place: string): string => join(place, 'keys', 'swarmsitter', 'stolen.key')
const gateFile = (place: string, name: string): string => join(place, 'data', 'gate', name)

/** Kills the watch first: it would start the others again. */
const killAll = async (swarm: Swarm): Promise<void> => {
  const end = once(swarm.up, 'exit')
  swarm.up.kill('SIGKILL')
  for (const one of processes().filter(({ command }) => command.includes(swarm.data))) kill(one)
  await end
  await swarm.until(
    'the end of all',
    async () => !processes().some(({ command }) => command.includes(`--data-dir ${swarm.data}`)),
  )
}

/**
 * What lies in the write-ahead log goes into the file, as a thief's copy of both would be read. A killed process has no
 * command line any more while its last thread still holds the file: until that is gone the log stays.
 */
const settled = async (swarm: Swarm): Promise<void> => {
  const path = gateFile(swarm.directory, 'gate.db')
  await swarm.until('gate.db alone', async () => {
    const db = new DatabaseSync(path)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    db.close()
    return !existsSync(`${path}-wal`)
  })
}

const places: string[] = []
let stolen: string
let older: Buffer

beforeAll(async () => {
  const swarm = await Swarm.start(config)
  try {
    const set = async (name: string, secret: string): Promise<void> => {
      const { sealingKey } = (await swarm.api('credentials')) as { sealingKey: string }
      await swarm.api('credentials', { name, sealed: sealTo(sealingKey, secret) })
    }
    await set('other', `${canary}-other`)
    await set('api', `${canary}-1`)
    await killAll(swarm)
    await settled(swarm)
    older = readFileSync(gateFile(swarm.directory, 'gate.db'))
    swarm.upAgain()
    await swarm.until('the vault', async () => (await swarm.api('credentials'))['sealingKey'], 60_000)
    await set('api', `${canary}-2`)
    await killAll(swarm)
    await settled(swarm)
    stolen = newPlace(swarm.directory)
  } finally {
    await swarm.stop()
  }
})
afterAll(() => {
  for (const place of places.splice(0)) rmSync(place, { recursive: true, force: true })
})

function newPlace(from: string): string {
  const place = mkdtempSync(join(tmpdir(), 'stolen-'))
  places.push(place)
  cpSync(from, place, { recursive: true })
  return place
}

const words = (place: string, ...rest: string[]): string[] => [
  ...process.execArgv,
  '--conditions=source',
  join(root, 'src', 'main.ts'),
  ...rest,
  '--data-dir',
  join(place, 'data'),
]
const start = (place: string, ...rest: string[]) => {
  const child = spawn(process.execPath, words(place, ...rest), {
    env: { ...process.env, XDG_CONFIG_HOME: join(place, 'keys'), NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text))
  const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...said }))
  return { child, said, ended }
}
const up = (place: string) => start(place, 'up', join(place, 'swarm.config.json'))

/** All that a refusal must leave as it was: the vault's files, the record, and the folder of keys. A lock is no content. */
const kept = (place: string): string[] => [
  ...hashOf(join(place, 'data', 'gate')).filter((line) => !line.startsWith('/lock.db')),
  ...hashOf(join(place, 'keys')),
  ...hashOf(join(place, 'data')).filter((line) => line.startsWith('/swarm.db ')),
]
const flip = (path: string, at: number): void => {
  const bytes = readFileSync(path)
  bytes[at] = bytes[at]! ^ 4
  writeFileSync(path, bytes)
}
const cut = (path: string, bytes: number): void => truncateSync(path, readFileSync(path).length - bytes)
/** Where the newest sealed row of a credential begins. */
const rowAt = (bytes: Buffer): number => bytes.indexOf(Buffer.from([0x53, 0x53, 2]))

interface Row {
  readonly what: string
  readonly damage: (place: string) => void
  readonly code: number
  /** In what it says, beside the code of the failure. */
  readonly says: RegExp
}
const refused: readonly Row[] = [
  { what: 'no key', damage: (place) => rmSync(keyOf(place)), code: 5, says: /key-missing/ },
  {
    what: 'another key',
    damage: (place) => writeFileSync(keyOf(place), `${Buffer.alloc(32, 3).toString('base64')}\n`, { mode: 0o600 }),
    code: 5,
    says: /key-wrong/,
  },
  { what: 'a key cut off', damage: (place) => cut(keyOf(place), 5), code: 5, says: /key-wrong/ },
  { what: 'an empty key', damage: (place) => truncateSync(keyOf(place)), code: 5, says: /key-wrong/ },
  { what: 'one bit of the key flipped', damage: (place) => flip(keyOf(place), 7), code: 5, says: /key-wrong/ },
  { what: 'a key of mode 0644', damage: (place) => chmodSync(keyOf(place), 0o644), code: 5, says: /chmod 600/ },
  {
    what: 'no vault.json',
    damage: (place) => rmSync(gateFile(place, 'vault.json')),
    code: 5,
    says: /key-missing/,
  },
  {
    what: 'vault.json cut off',
    damage: (place) => cut(gateFile(place, 'vault.json'), 5),
    code: 5,
    says: /key-wrong/,
  },
  {
    what: 'one bit of vault.json flipped',
    damage: (place) => {
      const path = gateFile(place, 'vault.json')
      flip(path, readFileSync(path).indexOf('check') + 12)
    },
    code: 5,
    says: /key-wrong/,
  },
  {
    what: 'gate.db cut off',
    damage: (place) => truncateSync(gateFile(place, 'gate.db'), 4_096 * 3),
    code: 1,
    says: /vault-damaged/,
  },
  {
    what: 'gate.db that is no database',
    damage: (place) => flip(gateFile(place, 'gate.db'), 3),
    code: 1,
    says: /vault-damaged/,
  },
  {
    what: 'an older gate.db',
    damage: (place) => writeFileSync(gateFile(place, 'gate.db'), older),
    code: 6,
    says: /vault-rolled-back/,
  },
  ...(process.getuid!() === 0
    ? [
        {
          what: 'a key of another user',
          damage: (place: string) => chownSync(keyOf(place), 12_345, 12_345),
          code: 5,
          says: /chown/,
        },
      ]
    : []),
]

test('a stolen data directory has no secret in any form', () => {
  const thiefs = filesBelow(join(stolen, 'data'))
  expect(thiefs.length).toBeGreaterThan(5)
  for (const file of thiefs) expect(hitsIn(readFileSync(file), forms), file).toEqual([])
})

test.each(refused)('$what: up ends with $code, says what is wrong, and changes nothing', async (row) => {
  const place = newPlace(stolen)
  row.damage(place)
  const before = kept(place)
  const { ended } = up(place)
  const { code, out, err } = await ended
  expect({ code, said: out + err }).toEqual({ code: row.code, said: expect.stringMatching(row.says) as string })
  expect(kept(place)).toEqual(before)
  expect(hitsIn(Buffer.from(out + err), forms)).toEqual([])
})

test('one bit of a sealed secret flipped: the swarm runs, that credential is named and not used, the other one is', async () => {
  const place = newPlace(stolen)
  const path = gateFile(place, 'gate.db')
  flip(path, rowAt(readFileSync(path)) + 60)
  const running = up(place)
  try {
    let status: Ended = { code: null, out: '', err: '' }
    for (const end = performance.now() + 60_000; performance.now() < end;) {
      status = await start(place, 'vault', 'status', '--json').ended
      if (status.code !== 69 && status.out.includes('"api"')) break
    }
    expect(status.code).toBe(4)
    expect(status.err + status.out).toContain("api@2 was changed without the vault's key")
    expect(hitsIn(Buffer.from(status.out + status.err), forms)).toEqual([])
  } finally {
    await start(place, 'down', '--within', '1s').ended
    await running.ended
  }
})
