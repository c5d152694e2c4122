import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { armor, Decrypter, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption'
import { expect, test } from 'vitest'
import { event, nowMs } from './documents.ts'
import { run } from './inside.ts'
import { world } from './world.ts'
import type { Asked } from './server.ts'

const vault = {
  sealingKey: Buffer.alloc(32, 9).toString('base64'),
  credentials: [{ name: 'bank-a', version: 3, state: 'active', fingerprint: 'ab12', setMs: nowMs, usedMs: null }],
  renewals: [],
  fallbacks: [],
  vault: { keyKind: 'file', keyCheck: 'ab', changes: 3, outside: 'kept', faults: [] },
}
const raw = {
  credentials: { bank: { pool: ['bank-a', 'bank-b'] }, mail: {} },
  upstreams: { northbank: { credentials: 'bank' } },
  agents: { settler: { upstreams: ['northbank'] }, idler: {} },
}
const answers = {
  'GET /api/v1/credentials': vault,
  'GET /api/v1/config/current': { raw },
  'POST /api/v1/credentials': ({ body }: Asked) => ({
    ...(JSON.parse(body) as object),
    version: 1,
    fingerprint: 'cd34',
  }),
}

test('vault ls says who uses a secret, and what was tampered with', async () => {
  const { sitter } = await world({
    ...answers,
    'GET /api/v1/credentials': {
      ...vault,
      vault: { ...vault.vault, outside: 'unknown', faults: [{ name: 'mail', version: 2, fault: 'changed' }] },
    },
  })
  const listed = await sitter('vault', 'ls')
  expect(listed.stdout).toMatch(/bank-a@3 +active +ab12 .* northbank \(settler\)/)
  expect(listed.stderr).toContain("mail@2 was changed without the vault's key")
  expect(listed.stderr).toContain('an older copy of gate.db would not be noticed')
  expect(await sitter('vault', 'status')).toMatchObject({ code: 4 })
})

test('describe takes a version of a secret, tells who uses it and what happened to it, and never its value', async () => {
  const { sitter } = await world({
    ...answers,
    'GET /api/v1/credentials': vault,
    'GET /api/v1/events': { items: [event(1, { subject: 'bank-a', message: 'calls go on with bank-b' })], next: null },
  })
  const shown = await sitter('describe', 'bank-a@3')
  expect(shown.stdout).toMatch(/used by +northbank \(settler\)/)
  expect(shown.stdout).toContain('calls go on with bank-b')
  expect(await sitter('describe', 'bank-a@99')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('sitter vault ls') as string,
  })
})

test('vault ls says that a grant needs the secret of its client, and where a secret rotates by the routes of another', async () => {
  const row = (name: string) => ({ ...vault.credentials[0]!, name, version: 1 })
  const { sitter } = await world({
    ...answers,
    'GET /api/v1/credentials': { ...vault, credentials: ['ledger', 'ledger-client', 'idle'].map(row) },
    'GET /api/v1/config/current': {
      raw: {
        credentials: {
          ledger: { kind: 'oauth', oauth: { clientSecret: 'ledger-client' } },
          'ledger-client': { kind: 'bearer', rotate: { upstream: 'admin', mint: 'POST /keys' } },
          idle: {},
        },
        upstreams: { books: { credentials: 'ledger' }, admin: {} },
        agents: { settler: { upstreams: ['books'] } },
      },
    },
  })
  const { stdout } = await sitter('vault', 'ls')
  expect(stdout).toMatch(/ledger@1 .* books \(settler\)/)
  expect(stdout).toMatch(/ledger-client@1 .* the tokens of ledger, its rotation at admin/)
  expect(stdout).toMatch(/idle@1 .* nobody/)
})

test('vault ls and status say that calls go by another account, and why; and who may be called by it', async () => {
  const way = { credential: 'bank', account: 'main', fallback: 'reserve', fallbackAccount: 'second' }
  const why = 'bank-a is compromised, bank-b has no active version'
  const { sitter } = await world({
    ...answers,
    'GET /api/v1/credentials': {
      ...vault,
      credentials: [...vault.credentials, { ...vault.credentials[0]!, name: 'reserve', version: 1 }],
      fallbacks: [{ ...way, by: 'reserve', sinceMs: nowMs, why }],
    },
    'GET /api/v1/config/current': {
      raw: { ...raw, credentials: { bank: { pool: ['bank-a', 'bank-b'], fallback: 'reserve' }, reserve: {} } },
    },
  })
  const told =
    /goes by reserve \(account second\) instead of bank \(account main\), for .*: bank-a is compromised, bank-b/
  const listed = await sitter('vault', 'ls')
  expect(listed.stdout).toMatch(/reserve@1 .* northbank \(settler\)/)
  expect(listed.stderr).toMatch(told)
  expect((await sitter('vault', 'status')).stderr).toMatch(told)
  const status = JSON.parse((await sitter('vault', 'status', '--json')).stdout) as { items: object[] }
  expect(status.items[0]).toMatchObject({ name: 'bank', fallback: { name: 'reserve', isUsed: true, why } })
})

test('import takes from .env, pm2 and compose what is a credential, by name or by --map, leaves the rest, and shows no value', async () => {
  const { server, directory, sitter } = await world(answers)
  const sources: Record<string, [text: string, more: string[], set: string[]]> = {
    env: [
      'export BANK_A="canary-1" # mine\n  # not mine\nPORT=\nBANK_TOKEN=canary-2\n',
      ['--map', 'BANK_TOKEN=mail'],
      ['bank-a', 'mail'],
    ],
    pm2: [
      JSON.stringify([{ name: 'api', pm2_env: { env: { BANK_B: 'canary-3', PATH: '/usr/bin' } } }]),
      [],
      ['bank-b'],
    ],
    ecosystem: [JSON.stringify({ apps: [{ name: 'x', env: { MAIL: 'canary-4' } }] }), [], ['mail']],
    compose: [
      JSON.stringify({ services: { web: { environment: { BANK_A: 'canary-5', LOG: 'info' } } } }),
      [],
      ['bank-a'],
    ],
    list: [JSON.stringify({ services: { web: { environment: ['BANK_A=canary=6'] } } }), [], ['bank-a']],
  }
  for (const [kind, [text, more, set]] of Object.entries(sources)) {
    await writeFile(join(directory, kind), text)
    const before = server.asked.length
    const dry = await sitter('vault', 'import', kind, ...more, '--dry-run', '--json')
    expect(dry.code, kind).toBe(0)
    expect((JSON.parse(dry.stdout) as { would: { name: string }[] }).would.map(({ name }) => name)).toEqual(set)
    expect(server.asked.slice(before).filter(({ method }) => method === 'POST')).toEqual([])
    const done = await sitter('vault', 'import', kind, ...more)
    expect(done.code, kind).toBe(0)
    const sent = server.asked.slice(before).filter(({ method }) => method === 'POST')
    expect(sent.map(({ body }) => (JSON.parse(body) as { name: string }).name)).toEqual(set)
    const shown =
      [dry, done].map(({ stdout, stderr }) => stdout + stderr).join('') + sent.map(({ body }) => body).join('')
    expect(shown).not.toContain('canary')
    expect(done.stderr).toContain('they still lie where they came from')
  }
})

test('import refuses what would be set twice, what it cannot read, and what names no credential', async () => {
  const { server, directory, sitter } = await world(answers)
  for (const [text, said] of [
    ['BANK_A=canary-1\nbank-a=canary-2\n', 'would be set twice'],
    ['{"services": canary', 'begins like JSON and is none'],
    ['[]', 'none of its 0 names'],
    ['OTHER=canary\n', 'none of its 1 names'],
  ] as const) {
    await writeFile(join(directory, 'given'), text)
    const refused = await sitter('vault', 'import', 'given')
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(said) as string })
    expect(refused.stderr).not.toContain('canary')
  }
  expect(server.asked.filter(({ method }) => method === 'POST')).toEqual([])
})

test('an export is an age file for one recipient, and import with its identity takes it back', async () => {
  const identity = await generateIdentity()
  const recipient = await identityToRecipient(identity)
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  const credentials = [{ name: 'bank-a', version: 3, value: 'canary-7' }]
  const file = await encrypter.encrypt(JSON.stringify({ kind: 'swarmsitter credentials 1', credentials }))
  const { server, directory, sitter } = await world({
    ...answers,
    'POST /api/v1/credentials:backup': {
      file: Buffer.from(file).toString('base64'),
      credentials: [{ name: 'bank-a', version: 3 }],
    },
  })
  expect(await sitter('vault', 'export')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--to age1') as string,
  })
  const exported = await sitter('vault', 'export', '--to', recipient)
  expect(exported.code).toBe(0)
  const decrypter = new Decrypter()
  decrypter.addIdentity(identity)
  expect(await decrypter.decrypt(armor.decode(exported.stdout), 'text')).toContain('canary-7')
  await writeFile(join(directory, 'identity'), `# made\n${identity}\n`)
  await writeFile(join(directory, 'backup.age'), exported.stdout)
  expect(await sitter('vault', 'import', 'backup.age')).toMatchObject({ code: 2 })
  await writeFile(join(directory, 'other'), await generateIdentity())
  expect(await sitter('vault', 'import', 'backup.age', '--identity', 'other')).toMatchObject({ code: 2 })
  const back = await sitter('vault', 'import', 'backup.age', '--identity', 'identity')
  expect(back).toMatchObject({ code: 0, stdout: 'bank-a@1  cd34\n' })
  expect(server.asked.map(({ body }) => body).join('')).not.toContain('canary')
})

test('rekey says which kind it was, and where the former key file is', async () => {
  const { server, directory } = await world({
    'POST /api/v1/credentials:rekey': {
      kind: 'file',
      secrets: 2,
      former: '/home/a/.config/swarmsitter/x.key.former-1',
    },
  })
  const done = await run(directory, ['vault', 'rekey'])
  expect(done.stdout).toContain('2 secrets are sealed by a key file')
  expect(done.stdout).toContain('x.key.former-1')
  expect((await run(directory, ['vault', 'rekey', '--to', 'paper'])).code).toBe(2)
  expect(server.asked.map(({ body }) => body)).toEqual(['{"kind":"file"}'])
})
