import { chmodSync, chownSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { realRandom } from '../../src/std/real/real.ts'
import { sealTo } from '../../src/wire/seal.ts'
import { killRekeys } from './rekey-kills.ts'
import { close, copyOf, hashOf, keyPath, newRoot, open, rule } from './place.ts'

const secret = 'canary-of-a-stolen-directory'

/** A vault with one secret, its files as a gate that was killed leaves them. */
const killed = async (): Promise<string> => {
  const root = await newRoot()
  const { vault, book } = await open(root)
  await vault.set('bank', sealTo(vault.view().sealingKey, secret), 'ann')
  const copy = await copyOf(root)
  close(book)
  return copy
}
const codeOf = (opening: Promise<unknown>): Promise<string> =>
  opening.then(
    () => 'opened',
    (error: { code?: string }) => error.code ?? 'an error without a code',
  )

test('a stolen directory shows no secret and opens without its key no more than it did', async () => {
  const root = await killed()
  for (const name of readdirSync(join(root, 'gate')))
    expect(readFileSync(join(root, 'gate', name)).includes(secret)).toBe(false)
  rmSync(keyPath(root))
  const before = hashOf(join(root, 'gate'))
  expect(await codeOf(open(root))).toBe('key-missing')
  writeFileSync(keyPath(root), `${Buffer.alloc(32, 3).toString('base64')}\n`, { mode: 0o600 })
  expect(await codeOf(open(root))).toBe('key-wrong')
  expect(hashOf(join(root, 'gate'))).toEqual(before)
})

test('a key file that others may read or write, or that belongs to another user, is refused with the command that mends it', async () => {
  const root = await killed()
  const before = hashOf(join(root, 'gate'))
  for (const mode of [0o644, 0o640, 0o660, 0o604, 0o700]) {
    chmodSync(keyPath(root), mode)
    const failed = open(root)
    await expect(failed).rejects.toMatchObject({ code: 'key-wrong' })
    await expect(failed).rejects.toThrow(`chmod 600`)
  }
  for (const mode of [0o400, 0o600]) {
    chmodSync(keyPath(root), mode)
    close((await open(root)).book)
  }
  // Only root can give a file away.
  if (process.getuid!() === 0) {
    chownSync(keyPath(root), 12_345, 12_345)
    await expect(open(root)).rejects.toThrow('chown')
    expect(statSync(keyPath(root)).uid).toBe(12_345)
  }
  expect(hashOf(join(root, 'gate')).filter((line) => line.includes('vault.json'))).toEqual(
    before.filter((line) => line.includes('vault.json')),
  )
})

test('a truncated key, vault.json or gate.db is refused, and no other secret is made up in its place', async () => {
  for (const [path, code] of [
    [(root: string) => keyPath(root), 'key-wrong'],
    [(root: string) => join(root, 'gate', 'vault.json'), 'key-wrong'],
  ] as const) {
    const root = await killed()
    truncateSync(path(root), statSync(path(root)).size - 5)
    const before = hashOf(root)
    expect(await codeOf(open(root))).toBe(code)
    expect(hashOf(root)).toEqual(before)
  }
  const root = await killed()
  close((await open(root)).book)
  truncateSync(join(root, 'gate', 'gate.db'), 4_096 * 3)
  expect(await codeOf(open(root))).not.toBe('opened')
})

test('whichever bit of key, vault.json or sealed row is flipped, no other value comes out', async () => {
  const root = await killed()
  close((await open(root)).book)
  const random = realRandom()
  const flips = [keyPath(root), join(root, 'gate', 'vault.json'), join(root, 'gate', 'gate.db')]
  for (let flip = 0; flip < 45; flip += 1) {
    const copy = await copyOf(root)
    const path = flips[flip % flips.length]!.replace(root, copy)
    const bytes = readFileSync(path)
    // In gate.db, the row's own bytes: a flip in an empty page says nothing.
    const from = path.endsWith('gate.db') ? bytes.indexOf(Buffer.from([0x53, 0x53, 2])) : 0
    const reach = path.endsWith('gate.db') ? 120 : bytes.length - 1
    const at = from + Math.floor(random.next() * reach)
    bytes[at] = bytes[at]! ^ (1 << Math.floor(random.next() * 8))
    writeFileSync(path, bytes)
    try {
      const { vault, book } = await open(copy)
      const chosen = vault.choose(rule('bank'))
      // A flip that base64 or JSON does not look at changes nothing.
      if (chosen !== undefined) expect(vault.reveal(chosen)).toBe(secret)
      close(book)
    } catch (error) {
      expect((error as { code?: string }).code).toMatch(
        /^(key-wrong|vault-damaged|credential-unavailable|ERR_SQLITE_ERROR)$/,
      )
    }
  }
})

// 50 of them: `npm run test:slow`, rekeys.
test('a rekey that is killed at any moment leaves one key that opens every secret', { timeout: 90_000 }, async () => {
  const left = await killRekeys(3, realRandom())
  expect(left).toHaveLength(3)
})
