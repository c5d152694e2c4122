import { createCipheriv, createHmac, generateKeyPairSync, hkdfSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { canonicalJson } from '../../src/std/std.ts'
import { openGateBook } from '../../src/store/store.ts'
import { sealTo } from '../../src/wire/seal.ts'
import { close, newRoot, open, putBeside, rule } from './place.ts'

const vaultId = 'ab'.repeat(16)
const key = Buffer.alloc(32, 5)
const check = createHmac('sha256', key).update(`swarmsitter key check 1 ${vaultId}`).digest('hex').slice(0, 32)

/** As the first form sealed: HKDF of the vault's key and the place, no data key. */
const formerly = (name: string, version: number, plain: Uint8Array): Buffer => {
  const bound = Buffer.from(canonicalJson([1, vaultId, name, version]))
  const cipherKey = Buffer.from(hkdfSync('sha256', key, vaultId, bound, 32))
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', cipherKey, nonce)
  cipher.setAAD(bound)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

test('a vault of the first form is opened, and sealed as all others are from then on', async () => {
  const root = await newRoot()
  putBeside(root, 'key', key.toString('base64'))
  writeFileSync(join(root, 'gate', 'vault.json'), JSON.stringify({ check, vaultId }))
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const pair = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
  const sealingKey = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  void openGateBook(join(root, 'gate', 'gate.db'), () => 'gat_1').close()
  const db = new DatabaseSync(join(root, 'gate', 'gate.db'))
  const meta = db.prepare('INSERT INTO meta (name, value) VALUES (?, ?)')
  meta.run('vault-id', vaultId)
  meta.run('vault-check', check)
  meta.run('sealing-key', formerly('sealing-key', 0, pair).toString('base64'))
  const put = db.prepare(`INSERT INTO secrets VALUES ('bank', ?, ?, ?, 'abc', 1, NULL, 'ann')`)
  put.run(1, 'retired', formerly('bank', 1, Buffer.from('one')))
  put.run(2, 'active', formerly('bank', 2, Buffer.from('two')))
  // Its tables had no head: the step that makes one finds the rows there.
  db.exec('UPDATE vault_head SET changes = 0')
  db.close()
  const first = await open(root)
  expect(first.vault.view()).toMatchObject({ sealingKey, vault: { keyKind: 'file', faults: [] } })
  expect(first.vault.reveal(first.vault.choose(rule('bank'))!)).toBe('two')
  await first.vault.set('bank', sealTo(sealingKey, 'three'), 'ann')
  await first.vault.rekey('file')
  close(first.book)
  const second = await open(root)
  expect(second.vault.view().vault.faults).toEqual([])
  expect([1, 2, 3].map((version) => second.vault.reveal({ name: 'bank', version }))).toEqual(['one', 'two', 'three'])
})
