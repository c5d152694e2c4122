/**
 * An agent's module with everything that it imports, read once and kept as text: no machine opens a file. Types are
 * stripped as Node does it; the outcome is kept by the content of the file, because stripping costs a host 12 MB.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import { importOf, type Engine, type Modules } from './port.ts'

const ours = (name: string): string =>
  join(import.meta.dirname, '..', '..', 'agent', `${name}${extname(import.meta.filename)}`)
const guest = ours('guest')
/** Inside of this package it is imported by its path. */
const sdk = ours('agent')
const main = 'swarmsitter:main'
const [guestName, entryName] = ['swarmsitter:guest', 'swarmsitter:entry']
const mainSource = (path: string): string =>
  [
    `import { serve } from '${guestName}'`,
    `import * as module from '${entryName}'`,
    `serve(module, ${JSON.stringify(path)})`,
  ].join('\n')

const typed: ReadonlySet<string> = new Set(['.ts', '.mts'])
const plain: ReadonlySet<string> = new Set(['.js', '.mjs'])
/** A machine reads all of it at its start. */
const mostBytes = 1_048_576

const wayOut =
  'a module of a vm cell may import relative files and swarmsitter/agent; bundle what else it needs into one file ' +
  "(for example: npx rolldown agent.ts --file agent.mjs), or use cell: 'pool'"

/** `kept`: a folder for stripped text that hosts share. */
const strippedText = (text: string, path: string, kept: string | undefined): string => {
  const strip = (): string => stripTypeScriptTypes(text, { mode: 'strip' })
  if (kept === undefined) return strip()
  const file = join(kept, `${createHash('sha256').update(text).digest('hex')}${extname(path)}.js`)
  try {
    return readFileSync(file, 'utf8')
  } catch {
    /* not kept yet */
  }
  const stripped = strip()
  try {
    mkdirSync(kept, { recursive: true })
    writeFileSync(`${file}.${process.pid}`, stripped)
    renameSync(`${file}.${process.pid}`, file)
  } catch {
    /* this host may not write there: the next one strips for itself */
  }
  return stripped
}

const sourceOf = (path: string, kept: string | undefined): string => {
  const extension = extname(path)
  if (!typed.has(extension) && !plain.has(extension))
    throw failure('config-invalid', `${path}: a vm cell runs .ts, .mts, .js and .mjs files, not ${extension || 'this'}`)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw failure('config-invalid', `${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  try {
    return typed.has(extension) ? strippedText(text, path, kept) : text
  } catch (error) {
    throw failure('config-invalid', `${path}: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Reads a module and what it imports. Runs none of it.
 * @throws Failure `config-invalid` that names the file and what it imports, with the way out.
 */
export const linkModules = async (engine: Engine, entry: string, kept?: string): Promise<Modules> => {
  const sources = new Map<string, string>([[main, mainSource(entry)]])
  const imports = new Map<string, string>()
  const named = new Map([
    [guestName, guest],
    [entryName, entry],
    ['swarmsitter/agent', guest],
  ])
  let bytes = 0
  const place = (from: string, specifier: string): string => {
    const known = named.get(specifier)
    if (known !== undefined) return known
    if (/^\.\.?\//.test(specifier)) {
      const path = resolve(dirname(from), specifier)
      return path === sdk ? guest : path
    }
    throw failure('config-invalid', `${from} imports ${JSON.stringify(specifier)}: ${wayOut}`, {
      facts: { imports: specifier, from, wayOut },
    })
  }
  try {
    await engine.link(main, {
      resolve: (from, specifier) => {
        const name = place(from, specifier)
        imports.set(importOf(from, specifier), name)
        return name
      },
      load: (name) => {
        const source = sources.get(name) ?? sourceOf(name, kept)
        sources.set(name, source)
        bytes += Buffer.byteLength(source)
        if (bytes > mostBytes)
          throw failure('config-invalid', `${entry} and what it imports have more than ${mostBytes} bytes`)
        return source
      },
    })
  } catch (error) {
    throw (error as { code?: unknown }).code === 'config-invalid'
      ? error
      : failure('config-invalid', `${entry}: ${(error as Error).message}`, { cause: error })
  }
  const hash = createHash('sha256')
    .update(JSON.stringify([...sources, ...imports]))
    .digest('hex')
  return { main, sources, imports, hash }
}
