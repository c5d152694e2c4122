/** Sockets lie in a folder of ours, or nowhere; and no way to a data directory is too long for them. */
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { placesOf } from '../src/places.ts'
import { makeOwnFolder } from '../src/std/real/real.ts'

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'places-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

test('It is made for this user alone, also where it was open before', async () => {
  const [fresh, open] = [join(home, 'a', 'fresh'), join(home, 'open')]
  mkdirSync(open, { mode: 0o777 })
  for (const path of [fresh, open]) {
    await makeOwnFolder(path, '/srv/data')
    expect(statSync(path).mode & 0o777).toBe(0o700)
  }
})

test('What is there already and is no folder of ours is refused, and left as it is', async () => {
  const [file, link, stranger] = [join(home, 'file'), join(home, 'link'), join(home, 'stranger')]
  writeFileSync(file, 'x')
  symlinkSync(home, link)
  symlinkSync(join(home, 'nowhere'), join(home, 'dangling'))
  const taken = [file, link, join(home, 'dangling')]
  if (process.getuid?.() === 0) {
    mkdirSync(stranger, { mode: 0o755 })
    chownSync(stranger, 1_234, 1_234)
    taken.push(stranger)
  } else console.log('a folder of another user is not tried: only root can make one')
  for (const path of taken)
    await expect(makeOwnFolder(path, '/srv/data'), path).rejects.toMatchObject({ code: 'place-taken' })
  if (taken.includes(stranger)) expect(statSync(stranger)).toMatchObject({ uid: 1_234, mode: 0o40755 })
  // Below the data directory, whoever it was made by, it is as private as that.
  if (taken.includes(stranger)) await makeOwnFolder(stranger, home)
})

test('The place of the sockets is short enough, whatever the data directory and the folder for short ways are', () => {
  const socket = '/cel_00000000-0000-7000-8000-000000000000/sitter.sock'
  const long = (bytes: number): string => `/${'x'.repeat(bytes - 1)}`
  for (let bytes = 2; bytes < 120; bytes += 1)
    for (const short of ['/run/user/1000', long(bytes)]) {
      const { sockets } = placesOf(long(bytes), short)
      expect(sockets.length + socket.length, `${bytes} ${short}`).toBeLessThanOrEqual(100)
    }
  expect(placesOf(long(60), '/run/user/1000').sockets).toMatch(/^\/run\/user\/1000\/sitter-[0-9a-f]{12}$/)
  expect(placesOf(long(60), long(40)).sockets).toMatch(/^\/tmp\/sitter-[0-9a-f]{12}$/)
})
