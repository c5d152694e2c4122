/** Reads a folder into the tree that `checkHouse` judges. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import type { Tree } from './rules.ts'

/** Only what is judged is walked: there are a hundred thousand files beside it. */
const judged = ['src', 'docs/errors.md']

const filesOf = (folder: string, place: string): string[] => {
  const path = join(folder, place)
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

export const treeAt = (folder: string): Tree =>
  new Map(
    judged
      .flatMap((place) => filesOf(folder, place))
      .map((path) => [relative(folder, path).split(sep).join('/'), path] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, path]) => [name, readFileSync(path, 'utf8')]),
  )
