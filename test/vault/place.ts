/** A vault over real files in a temporary place: opened, closed, copied, and opened again. */
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { realDisk } from '../../src/std/real/real.ts'
import type { GateBook } from '../../src/store/store.ts'
import { openAt, type Opened } from './opening.ts'

export type { Opened } from './opening.ts'

const roots: string[] = []
const books: GateBook[] = []
afterEach(() => {
  for (const book of books.splice(0)) void book.close()
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true })
})

export const newRoot = async (): Promise<string> => {
  const root = mkdtempSync(join(tmpdir(), 'vault-'))
  roots.push(root)
  await realDisk().makeDirectory(join(root, 'gate'), 0o700)
  return root
}

export const open = async (...given: Parameters<typeof openAt>): Promise<Opened> => {
  const opened = await openAt(...given)
  books.push(opened.book)
  return opened
}
export const close = (book: GateBook): void => {
  books.splice(books.indexOf(book), 1)
  void book.close()
}
export const rule = (name: string, ...pool: string[]) => ({ name, pool })
export const keyPath = (root: string, suffix = 'key'): string =>
  join(root, 'config', 'swarmsitter', `testswarm.${suffix}`)

/** A file beside the key, 0600. */
export const putBeside = (root: string, suffix: string, text: string): void => {
  mkdirSync(join(root, 'config', 'swarmsitter'), { recursive: true, mode: 0o700 })
  writeFileSync(keyPath(root, suffix), text, { mode: 0o600 })
}

/** The files of a vault as they lie there now, at another place. */
export const copyOf = async (root: string): Promise<string> => {
  const copy = await newRoot()
  cpSync(root, copy, { recursive: true })
  return copy
}

/** Hash of every file below a folder. */
export const hashOf = (root: string): string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
    .map((path) => `${path.slice(root.length)} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`)
