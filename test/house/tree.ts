/** Reads a folder into the tree that `checkHouse` judges. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { Tree } from './rules.ts'

const isJudged = (path: string): boolean => path.startsWith('src/') || path === 'docs/errors.md'

export const treeAt = (folder: string): Tree =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter(isJudged)
      .toSorted()
      .map((path) => [path, readFileSync(join(folder, path), 'utf8')]),
  )
