import { chmodSync, cpSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { realKeyFiles } from '../../src/gate.ts'
import { sealTo } from '../../src/wire/seal.ts'
import { close, hashOf, keyPath, newRoot, open, rule } from './place.ts'

test('a sealed secret becomes the active version, the one before is retired, and a restart finds both', async () => {
  const root = await newRoot()
  const first = await open(root)
  const { sealingKey } = first.vault.view()
  expect(await first.vault.set('bank', sealTo(sealingKey, 'secret-one\n'), 'ann')).toMatchObject({
    name: 'bank',
    version: 1,
  })
  expect(await first.vault.set('bank', sealTo(sealingKey, 'secret-two'), 'ann')).toMatchObject({
    name: 'bank',
    version: 2,
  })
  expect(first.vault.reveal(first.vault.choose(rule('bank'))!)).toBe('secret-two')
  close(first.book)
  const { vault } = await open(root)
  expect(vault.view().sealingKey).toBe(sealingKey)
  expect(vault.view().credentials.map(({ version, state }) => [version, state])).toEqual([
    [1, 'retired'],
    [2, 'active'],
  ])
  expect(vault.reveal({ name: 'bank', version: 1 })).toBe('secret-one')
  expect(vault.reveal(vault.choose(rule('bank'))!)).toBe('secret-two')
  expect(JSON.stringify(vault.view())).not.toContain('secret-')
})

test('two sets in one turn get two versions, and a pool stands for its first member that has one', async () => {
  const { vault } = await open(await newRoot())
  const { sealingKey } = vault.view()
  const set = await Promise.all(['a', 'b'].map((secret) => vault.set('bank-b', sealTo(sealingKey, secret), 'ann')))
  expect(set.map(({ version }) => version)).toEqual([1, 2])
  expect(vault.choose(rule('bank', 'bank-a', 'bank-b'))).toEqual({ name: 'bank-b', version: 2 })
  expect(vault.choose(rule('bank'))).toBe(undefined)
})

test('what is not sealed to this gate, damaged, unknown or no bearer text is refused without repeating it', async () => {
  const { vault } = await open(await newRoot())
  const other = await open(await newRoot())
  const { sealingKey } = vault.view()
  const sealed = sealTo(sealingKey, 'good')
  const faults = [
    sealTo(other.vault.view().sealingKey, 'good'),
    `${sealed.slice(0, -3)}AAA`,
    `${sealed}.x`,
    'sealed:v1:AAAA.BBBB',
    'plain text',
    '',
    sealTo(sealingKey, 'with space'),
    sealTo(sealingKey, 'line\r\nbreak'),
    sealTo(sealingKey, ''),
  ]
  for (const fault of faults) await expect(vault.set('bank', fault, 'ann')).rejects.toMatchObject({ code: 'invalid' })
  await expect(vault.set('other', sealed, 'ann')).rejects.toMatchObject({ code: 'not-found' })
  expect(vault.view().credentials).toEqual([])
})

test('the key is made 0600 at the first start and never written into the data directory', async () => {
  const root = await newRoot()
  const { vault } = await open(root)
  await vault.set('bank', sealTo(vault.view().sealingKey, 'canary-secret-1'), 'ann')
  expect(statSync(keyPath(root)).mode & 0o777).toBe(0o600)
  const key = readFileSync(keyPath(root), 'utf8').trim()
  for (const name of readdirSync(join(root, 'gate'))) {
    const bytes = readFileSync(join(root, 'gate', name))
    expect(bytes.includes('canary-secret-1') || bytes.includes(key) || bytes.includes(Buffer.from(key, 'base64'))).toBe(
      false,
    )
  }
})

test('a missing, wrong, damaged or readable key refuses, and no file has changed', async () => {
  const root = await newRoot()
  const { vault, book } = await open(root)
  await vault.set('bank', sealTo(vault.view().sealingKey, 'secret'), 'ann')
  // A copy of the living files, as a killed gate leaves them: with a WAL that was never written back.
  const copy = await newRoot()
  cpSync(join(root, 'gate'), join(copy, 'gate'), { recursive: true })
  close(book)
  for (const place of [root, copy]) {
    const before = hashOf(join(place, 'gate'))
    const elsewhere = join(place, 'elsewhere', 'swarmsitter')
    await expect(open(place, join(place, 'elsewhere'))).rejects.toMatchObject({ code: 'key-missing' })
    await realKeyFiles().create(join(elsewhere, 'testswarm.key'), `${Buffer.alloc(32, 7).toString('base64')}\n`)
    await expect(open(place, join(place, 'elsewhere'))).rejects.toMatchObject({ code: 'key-wrong' })
    writeFileSync(join(elsewhere, 'testswarm.key'), 'no key')
    await expect(open(place, join(place, 'elsewhere'))).rejects.toMatchObject({ code: 'key-wrong' })
    expect(hashOf(join(place, 'gate'))).toEqual(before)
  }
  chmodSync(keyPath(root), 0o640)
  await expect(open(root)).rejects.toMatchObject({ code: 'key-wrong' })
  chmodSync(keyPath(root), 0o600)
  await open(root)
})

test('$CREDENTIALS_DIRECTORY comes first, and a lost vault.json is not taken for a first start', async () => {
  const root = await newRoot()
  const credentials = join(root, 'credentials')
  await realKeyFiles().create(join(credentials, 'testswarm.key'), `${Buffer.alloc(32, 9).toString('base64')}\n`)
  const { book } = await open(root, join(root, 'config'), credentials)
  expect(() => statSync(keyPath(root))).toThrow(/ENOENT/)
  close(book)
  rmSync(join(root, 'gate', 'vault.json'))
  await expect(open(root, join(root, 'config'), credentials)).rejects.toMatchObject({ code: 'key-missing' })
})

test('each refusal of the vault says what to do', async () => {
  const { vault } = await open(await newRoot())
  const { sealingKey } = vault.view()
  const told = async (ask: () => unknown): Promise<string> => {
    try {
      await ask()
    } catch (error) {
      return (error as Error).message
    }
    throw new Error('it was not refused')
  }
  await vault.set('bank', sealTo(sealingKey, 'a-secret'), 'ann')
  expect(await told(() => vault.set('stranger', sealTo(sealingKey, 'x'), 'ann'))).toContain('sitter vault status')
  expect(await told(() => vault.reveal({ name: 'bank', version: 9 }))).toContain('sitter vault ls')
  expect(await told(() => vault.backup('nobody'))).toContain('age-keygen')
  const first = vault.rekey('file')
  expect(await told(() => vault.rekey('file'))).toContain('ask again')
  await first
})
