import { existsSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { generateIdentity } from 'age-encryption'
import { expect, test } from 'vitest'
import { realKeyFiles } from '../../src/gate.ts'
import { sealTo } from '../../src/wire/seal.ts'
import { close, copyOf, keyPath, newRoot, open, putBeside, rule, type Opened } from './place.ts'

const passphrase = 'correct horse battery staple'

const withSecret = async (): Promise<Opened & { root: string }> => {
  const root = await newRoot()
  const opened = await open(root)
  await opened.vault.set('bank', sealTo(opened.vault.view().sealingKey, 'the-secret'), 'ann')
  return { root, ...opened }
}
const reveal = ({ vault }: Opened): string => vault.reveal(vault.choose(rule('bank'))!)

test('a new key file takes the old one’s place, the old one is kept and opens nothing here any more', async () => {
  const { root, vault, book } = await withSecret()
  const copy = await copyOf(root)
  const before = readFileSync(keyPath(root), 'utf8')
  const { credentials } = vault.view()
  const done = await vault.rekey('file')
  expect(done).toMatchObject({ kind: 'file', secrets: 1 })
  expect(reveal({ vault, book })).toBe('the-secret')
  expect(vault.view().credentials).toEqual(credentials)
  close(book)
  expect(readFileSync(keyPath(root), 'utf8')).not.toBe(before)
  expect(readFileSync(done.former!, 'utf8')).toBe(before)
  expect(statSync(keyPath(root)).mode & 0o777).toBe(0o600)
  expect(existsSync(keyPath(root, 'key.next'))).toBe(false)
  const again = await open(root)
  expect(reveal(again)).toBe('the-secret')
  close(again.book)
  renameSync(done.former!, keyPath(root))
  await expect(open(root)).rejects.toMatchObject({ code: 'key-wrong' })
  // A copy from before opens by the key from before, also one of a gate that was running.
  expect(reveal(await open(copy))).toBe('the-secret')
})

test('passphrase and age identity open it, each alone; too short a passphrase and a missing file change nothing', async () => {
  const { root, vault, book } = await withSecret()
  await expect(vault.rekey('passphrase')).rejects.toMatchObject({ code: 'key-missing' })
  putBeside(root, 'passphrase', 'short\n')
  await expect(vault.rekey('passphrase')).rejects.toMatchObject({ code: 'invalid' })
  putBeside(root, 'passphrase', `${passphrase}\n`)
  expect(await vault.rekey('passphrase')).toMatchObject({ kind: 'passphrase', former: null })
  close(book)
  await realKeyFiles().remove(keyPath(root))
  const second = await open(root)
  expect(reveal(second)).toBe('the-secret')
  const identity = await generateIdentity()
  putBeside(root, 'age', `# made for a test\n${identity}\n`)
  await second.vault.rekey('age')
  close(second.book)
  putBeside(root, 'passphrase', 'quite another one')
  const third = await open(root)
  expect(third.vault.view().vault.keyKind).toBe('age')
  expect(reveal(third)).toBe('the-secret')
  close(third.book)
  putBeside(root, 'age', await generateIdentity())
  await expect(open(root)).rejects.toMatchObject({ code: 'key-wrong' })
  const texts = ['vault.json', 'gate.db'].map((name) => readFileSync(join(root, 'gate', name), 'latin1')).join()
  for (const secret of [passphrase, identity, 'the-secret']) expect(texts.includes(secret)).toBe(false)
})

test('a row that was sealed before a rekey and is written after it is refused, and harms no other', async () => {
  const { root, vault, book } = await withSecret()
  const [row] = book.secrets()
  await vault.rekey('file')
  const late = book.addSecret({ ...row!, name: 'bank-late' })
  await expect(late).rejects.toMatchObject({ code: 'journal-failed' })
  await vault.set('bank-b', sealTo(vault.view().sealingKey, 'another'), 'ann')
  close(book)
  const again = await open(root)
  expect(again.vault.view().credentials.map(({ name }) => name)).toEqual(['bank', 'bank-b'])
  expect(reveal(again)).toBe('the-secret')
})

test('a set that shares its commit with a rekey is sealed by the new key', async () => {
  const { root, vault, book } = await withSecret()
  const { sealingKey } = vault.view()
  const sets = Array.from({ length: 40 }, async (_, index) => {
    for (let turn = 0; turn < index % 8; turn += 1) await new Promise((resolve) => void setImmediate(resolve))
    return vault.set(`bank-${index}`, sealTo(sealingKey, `secret-${index}`), 'ann')
  })
  await Promise.all([vault.rekey('file'), ...sets])
  close(book)
  const again = await open(root)
  expect(again.vault.view().vault.faults).toEqual([])
  for (let index = 0; index < 40; index += 1)
    expect(again.vault.reveal(again.vault.choose(rule(`bank-${index}`))!)).toBe(`secret-${index}`)
})
