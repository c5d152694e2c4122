import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { looksRandom, suspectsIn } from '../../src/config/secrets.ts'
import { realClock, realDisk, realProc } from '../../src/std/real/real.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true })
})
/** Joined here, so that no reader of this file takes it for a leaked key. */
const stripe = ['sk', 'live', '51Hx9aQ2cD7eF4gH8jK1mN5p'].join('_')
const random = 'q7Zr2Lk9Xw4Tn8Vb3Yc6'

const load = (files: Readonly<Record<string, string>>, environment: Record<string, string> = {}) => {
  const root = mkdtempSync(join(tmpdir(), 'secrets-'))
  roots.push(root)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  const name = Object.keys(files).find((one) => one.startsWith('swarm.config'))!
  const ports = { disk: realDisk(), proc: realProc(), clock: realClock() }
  return loadConfig({ ...ports, file: join(root, name), environment }).then(
    () => 'taken',
    (error: { code: string; message: string }) => `${error.code} ${error.message.replaceAll(root, '')}`,
  )
}
/** Runs a program in the place of the module. */
const program = (command: readonly string[]): string => config({ agents: { a: { run: { command } } } })
const config = (more: object): string =>
  JSON.stringify({ name: 'testswarm', agents: { a: { run: { module: './a.ts' } } }, ...more }, null, 2)

test('a secret in the configuration, in an agent’s code or what it imports, and in .env is refused by file and line', async () => {
  const told = await load({
    'swarm.config.json': config({ agents: { a: { run: { module: './a.ts' }, config: { apiKey: random } } } }),
    'a.ts': `import './lib/b.ts'\nexport default {}\n`,
    'lib/b.ts': `const one = 1\nconst key = '${stripe}'\n`,
    '.env': `# mine\nBANK_TOKEN=${random}\n`,
  })
  expect(told).toMatch(/^secret-in-clear/)
  expect(told).toMatch(/swarm\.config\.json:\d+: a random text beside the name apiKey/)
  expect(told).toContain('/lib/b.ts:2: a Stripe key')
  expect(told).toContain('.env:2: a random text beside the name BANK_TOKEN')
  expect(told).not.toContain(random)
  expect(told).not.toContain(stripe)
})

test('a value that came out of the environment is told by its path; a comment, a setting and the record’s address are let', async () => {
  const files = {
    'swarm.config.ts': `export default {\n  name: 'testswarm',\n  agents: { a: { run: { module: './a.ts' },
      config: { token: process.env.UNUSED ?? '${random.slice(0, 10)}' + '${random.slice(10)}' } } },\n}\n`,
    'a.ts': 'export default {}\n',
  }
  expect(await load(files)).toContain('agents.a.config.token: a random text beside the name token')
  const spared = {
    ...files,
    'swarm.config.ts': files['swarm.config.ts'].replace('name:', `notSecrets: ['agents.a.config.token'],\n  name:`),
  }
  expect(await load(spared)).toBe('taken')
  expect(
    await load({
      'swarm.config.json': config({
        store: `postgres://me:${random}@db/swarm`,
        alerts: { to: [{ webhook: `https://hooks.example.com/${random}` }] },
      }),
      'a.ts': `const token = '${random}' // sitter:not-a-secret\nexport default {}\n`,
      '.env': `HOOK_TOKEN=https://hooks.example.com/${random}\n`,
    }),
  ).toBe('taken')
})

test('what Python, shell scripts and modules without an extension take from beside them is looked through, too', async () => {
  const leak = `KEY = '${stripe}'\n`
  const found = async (files: Readonly<Record<string, string>>): Promise<string> =>
    (await load(files)).split('\n')[1] ?? 'nothing'
  const python = { 'swarm.config.json': program(['python3', 'bots/a.py']) }
  const [as, helper] = ['/bots/helper.py:1: a Stripe key', { 'bots/helper.py': leak }]
  expect(await found({ ...python, 'bots/a.py': 'from helper import KEY\n', ...helper })).toContain(as)
  expect(await found({ ...python, 'bots/a.py': 'import os, helper as h\n', ...helper })).toContain(as)
  expect(await found({ ...python, 'bots/a.py': 'from . import (x, helper)\n', ...helper })).toContain(as)
  expect(await found({ ...python, 'bots/a.py': 'from tools.keys import KEY\n', 'bots/tools/keys.py': leak })).toContain(
    '/bots/tools/keys.py:1',
  )
  const module = { 'swarm.config.json': config({}) }
  expect(await found({ ...module, 'a.ts': "const { key } = require('./b')\n", 'b.js': leak })).toContain('/b.js:1')
  expect(await found({ ...module, 'a.ts': "import './b.js'\n", 'b.ts': leak })).toContain('/b.ts:1')
  const shell = { 'swarm.config.json': program(['sh', '-c', 'exec ./b.sh --fast']) }
  expect(await found({ ...shell, 'b.sh': leak })).toContain('/b.sh:1')
  expect(await found({ ...shell, 'b.sh': '#!/bin/sh\n. ./c.sh\n', 'c.sh': leak })).toContain('/c.sh:1')
})

test('files that are too long, or too many, are not looked through, and that is said', async () => {
  const root = mkdtempSync(join(tmpdir(), 'secrets-'))
  roots.push(root)
  writeFileSync(join(root, 'swarm.config.json'), config({}))
  const many = Array.from({ length: 510 }, (_, index) => `import './m${index}.ts'`)
  writeFileSync(join(root, 'a.ts'), `import './long.ts'\n${many.join('\n')}\nexport default {}\n`)
  writeFileSync(join(root, 'long.ts'), `// ${'x'.repeat(1_048_576)}\n`)
  for (let index = 0; index < 510; index += 1) writeFileSync(join(root, `m${index}.ts`), 'export {}\n')
  const ports = { disk: realDisk(), proc: realProc(), clock: realClock() }
  const { notLooked } = await loadConfig({ ...ports, file: join(root, 'swarm.config.json'), environment: {} })
  expect(notLooked).toEqual([
    expect.stringContaining('long.ts is longer than') as string,
    expect.stringContaining('over 500 files') as string,
  ])
})

test('what code usually holds beside such names is no secret', () => {
  const harmless = [
    "const token = env('NORTHBANK_TOKEN')",
    "headers: { authorization: 'Bearer ' + token }",
    "keyHeader: 'idempotency-key',",
    "secret: 'the-name-of-a-credential',",
    'password: "changeme"',
    "const apiKeyPath = './keys/northbank-production.json'",
    'tokens = tokenizer.encode(text)',
    "sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
    "id: 'tsk_0198c1d2-7a3b-7c4d-8e5f-60718293a4b5'",
    'private_key = load_private_key(path)',
    "export const cursorToken = 'next-page-of-the-listing'",
  ]
  expect(suspectsIn(harmless.join('\n'))).toEqual([])
  expect(looksRandom('correct-horse-battery-staple')).toBe(false)
})
