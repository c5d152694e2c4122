import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { sealTo } from '../../src/wire/seal.ts'
import { close, copyOf, hashOf, newRoot, open, rule } from './place.ts'

/** A vault with `bank@1` retired, `bank@2` active and `bank-b@1` active, closed. */
const filled = async (): Promise<string> => {
  const root = await newRoot()
  const { vault, book } = await open(root)
  const { sealingKey } = vault.view()
  for (const [name, secret] of [
    ['bank', 'one'],
    ['bank', 'two'],
    ['bank-b', 'three'],
  ] as const)
    await vault.set(name, sealTo(sealingKey, secret), 'ann')
  close(book)
  return root
}
/** Somebody with the file and without the key. */
const tamper = (root: string, sql: string): void => {
  const db = new DatabaseSync(join(root, 'gate', 'gate.db'))
  db.exec(sql)
  db.close()
}

const harms: readonly (readonly [harm: string, sql: string, faults: readonly object[]])[] = [
  [
    'swapped values',
    `CREATE TEMP TABLE one AS SELECT sealed FROM secrets WHERE name = 'bank' AND version = 1;
     UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'bank' AND version = 2)
       WHERE name = 'bank' AND version = 1;
     UPDATE secrets SET sealed = (SELECT sealed FROM one) WHERE name = 'bank' AND version = 2`,
    [
      { name: 'bank', version: 1, fault: 'changed' },
      { name: 'bank', version: 2, fault: 'changed' },
    ],
  ],
  [
    'a retired version made active again',
    `UPDATE secrets SET state = CASE version WHEN 1 THEN 'active' ELSE 'retired' END WHERE name = 'bank'`,
    [
      { name: 'bank', version: 1, fault: 'changed' },
      { name: 'bank', version: 2, fault: 'changed' },
    ],
  ],
  [
    'a removed version',
    "DELETE FROM secrets WHERE name = 'bank' AND version = 2",
    [{ name: 'bank', version: 2, fault: 'removed' }],
  ],
  [
    'an added version',
    'INSERT INTO secrets SELECT name, 3, state, sealed, fingerprint, set_ms, used_ms, actor FROM secrets WHERE version = 2',
    [{ name: 'bank', version: 3, fault: 'added' }],
  ],
  [
    'one bit of a value',
    "UPDATE secrets SET sealed = CAST(substr(sealed, 1, 99) || x'00' || substr(sealed, 101) AS BLOB) WHERE name = 'bank' AND version = 2",
    [{ name: 'bank', version: 2, fault: 'changed' }],
  ],
]

test.each(harms)(
  '%s: named, that credential is not used until it is set anew, others go on',
  async (_, sql, faults) => {
    const root = await filled()
    tamper(root, sql)
    const first = await open(root)
    expect(first.vault.view().vault.faults).toEqual(faults)
    expect(first.vault.choose(rule('bank'))).toBe(undefined)
    for (const version of [1, 2, 3])
      expect(() => first.vault.reveal({ name: 'bank', version })).toThrow(/without the vault's key|not in the vault/)
    expect(first.vault.reveal(first.vault.choose(rule('bank-b'))!)).toBe('three')
    // Another change does not make the tampered rows good ones.
    const { sealingKey } = first.vault.view()
    await first.vault.set('bank-b', sealTo(sealingKey, 'four'), 'ann')
    close(first.book)
    const second = await open(root)
    expect(second.vault.view().vault.faults).toEqual(faults)
    await second.vault.set('bank', sealTo(sealingKey, 'five'), 'ann')
    expect(second.vault.reveal(second.vault.choose(rule('bank'))!)).toBe('five')
    close(second.book)
    const third = await open(root)
    expect(third.vault.reveal(third.vault.choose(rule('bank'))!)).toBe('five')
  },
)

test.each([
  ['a head of somebody else', `UPDATE vault_head SET head = json_set(head, '$.mac', 'f0f0')`],
  ['no head while there were changes', `UPDATE vault_head SET head = ''`],
  ['a head that knows fewer changes', `UPDATE vault_head SET changes = changes + 1`],
])('%s refuses the whole vault', async (_, sql) => {
  const root = await filled()
  tamper(root, sql)
  await expect(open(root)).rejects.toMatchObject({ code: 'vault-damaged' })
})

test('an older copy of gate.db is told from the newest, and says how it may be used all the same', async () => {
  const root = await filled()
  const older = await copyOf(root)
  const { vault, book } = await open(root)
  await vault.set('bank', sealTo(vault.view().sealingKey, 'newer'), 'ann')
  const { changes } = vault.view().vault
  close(book)
  rmSync(join(root, 'gate'), { recursive: true })
  cpSync(join(older, 'gate'), join(root, 'gate'), { recursive: true })
  const before = hashOf(join(root, 'config'))
  const failed = await open(root).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'vault-rolled-back' })
  expect(hashOf(join(root, 'config'))).toEqual(before)
  const path = /remove (\S+)$/.exec((failed as { facts: { wayOut: string } }).facts.wayOut)![1]!
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ changes })
  rmSync(path)
  const again = await open(root)
  expect(again.vault.reveal(again.vault.choose(rule('bank'))!)).toBe('two')
  expect(existsSync(path)).toBe(true)
  expect(again.vault.view().vault.outside).toBe('kept')
})
