import { createHmac } from 'node:crypto'
import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { realKeyFiles } from '../../src/gate.ts'
import { realDisk, realRandom } from '../../src/std/real/real.ts'
import { canonicalJson } from '../../src/std/std.ts'
import { derivedKey } from '../../src/vault/sealing.ts'
import { unlockVault } from '../../src/vault/vault.ts'
import { close, newRoot, open } from './place.ts'

const machine = (name: string, state: string) => ({ kind: 'rotation', name, state })
const change = (machines: ReturnType<typeof machine>[]) => ({ add: [], moves: [], drops: [], machines, notes: [] })

const filled = async (): Promise<string> => {
  const root = await newRoot()
  const { vault, book } = await open(root)
  await vault.renew(change([machine('bank', 'one'), machine('bank-b', 'one')]))
  await vault.renew(change([machine('bank', 'two')]))
  close(book)
  return root
}
/** Somebody with the file and without the key. */
const tamper = (root: string, sql: string): void => {
  const db = new DatabaseSync(join(root, 'gate', 'gate.db'))
  db.exec(sql)
  db.close()
}

test.each([
  ['the state of before put back', "UPDATE renewals SET state = 'one' WHERE name = 'bank'", 'bank', 'changed'],
  ['a row taken away', "DELETE FROM renewals WHERE name = 'bank'", 'bank', 'removed'],
  ['a row added', "INSERT INTO renewals VALUES ('rotation', 'bank-c', 'x')", 'bank-c', 'added'],
] as const)('%s is found and named until the vault itself writes that renewal anew', async (_, sql, name, fault) => {
  const root = await filled()
  tamper(root, sql)
  const first = await open(root)
  expect(first.vault.tampered).toEqual([{ kind: 'rotation', name, fault }])
  // Another change does not make it a good one.
  await first.vault.renew(change([machine('bank-b', 'three')]))
  close(first.book)
  const second = await open(root)
  expect(second.vault.tampered).toEqual([{ kind: 'rotation', name, fault }])
  await second.vault.renew(change([machine(name, 'mended')]))
  close(second.book)
  const third = await open(root)
  expect(third.vault.tampered).toEqual([])
  expect(third.book.machines()).toContainEqual(machine(name, 'mended'))
})

test('nothing is told of renewals that only the vault has written, also after a rekey', async () => {
  const root = await filled()
  const { vault, book } = await open(root)
  expect(vault.tampered).toEqual([])
  await vault.rekey('file')
  close(book)
  expect((await open(root)).vault.tampered).toEqual([])
})

test('changes that the head does not know of refuse the whole vault', async () => {
  const root = await filled()
  const db = new DatabaseSync(join(root, 'gate', 'gate.db'))
  db.exec('UPDATE vault_head SET changes = changes + 5')
  db.close()
  await expect(open(root)).rejects.toMatchObject({ code: 'vault-damaged' })
})

test('a head from before renewals were under it is taken, and covers them from then on', async () => {
  const root = await filled()
  const source = {
    swarm: 'testswarm',
    directory: join(root, 'gate'),
    disk: realDisk(),
    random: realRandom(),
    keyFiles: realKeyFiles(),
    places: { credentialsDirectory: null, configHome: join(root, 'config') },
  }
  const kek = await unlockVault(source)
  const db = new DatabaseSync(join(root, 'gate', 'gate.db'))
  const { head, changes } = db.prepare('SELECT head, changes FROM vault_head').get() as {
    head: string
    changes: number
  }
  const { rows } = JSON.parse(head) as { rows: never[] }
  const mac = createHmac('sha256', derivedKey(kek, 'head 2'))
    .update(canonicalJson(['head', kek.vaultId, changes, rows]))
    .digest('hex')
    .slice(0, 32)
  db.prepare('UPDATE vault_head SET head = ?').run(canonicalJson({ changes, rows, mac }))
  db.close()
  rmSync(join(root, 'config', 'swarmsitter', 'heads'), { recursive: true })
  const { vault, book } = await open(root)
  expect(vault.tampered).toEqual([])
  expect(JSON.parse(book.head().text)).toMatchObject({ renewals: expect.any(Array) as unknown })
  close(book)
  tamper(root, "UPDATE renewals SET state = 'one' WHERE name = 'bank'")
  expect((await open(root)).vault.tampered.length).toBe(1)
})
