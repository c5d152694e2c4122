/**
 * What a child that loads a user's module can tell of a failure: the error, the file and line where it arose, and what
 * it was denied. Used in children alone: it hooks the loader of its process.
 */
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Report } from './report.ts'

type Told = NonNullable<Report['error']>

/** Where an error arose, as file:line: from the frames, or the first line that type stripping puts before them. */
const placeOf = (error: Error): string | null => {
  const match = /(?:^|\()(?:file:\/\/)?(\/[^\n()]+?):([0-9]+)(?::[0-9]+)?\)?$/m.exec(
    error.stack?.replaceAll(/^ +at (?:async )?/gm, '') ?? '',
  )
  return match ? `${match[1]}:${match[2]}` : null
}

/** What is imported and not there is told with the importing file; the line is where that file names it. */
const importPlace = ({ message }: Error, sources: ReadonlyMap<string, string>): string | null => {
  const [, wanted, from] = /^Cannot find (?:package|module) '([^']+)' imported from (\S+)/.exec(message) ?? []
  if (wanted === undefined || from === undefined) return null
  const name = wanted.slice(wanted.startsWith('/') ? wanted.lastIndexOf('/') + 1 : 0)
  const lines = sources.get(pathToFileURL(from).href)?.split('\n') ?? []
  const line = lines.findIndex((text) => [`'${name}`, `"${name}`, `/${name}`].some((said) => text.includes(said)))
  return line < 0 ? from : `${from}:${line + 1}`
}

/** What it was not allowed to have in this child, and may have elsewhere. */
const deniedTo = (error: Error): string | null => {
  const { code, permission, resource } = error as Error & { code?: string; permission?: string; resource?: string }
  if (code === 'ERR_ACCESS_DENIED' || code === 'ERR_DLOPEN_DISABLED')
    return `${permission ?? 'something'}${resource ? ` of ${resource}` : ''}`
  // It is taken out, because it could write past the permissions.
  return code === 'ERR_UNKNOWN_BUILTIN_MODULE' && error.message.endsWith('node:sqlite') ? 'node:sqlite' : null
}

/** Watches what is loaded from now on; `swap` says what a name means instead. Gives what makes an error a told one. */
export const watchLoading = (swap: (specifier: string) => string | undefined): ((thrown: unknown) => Told) => {
  const sources = new Map<string, string>()
  registerHooks({
    resolve: (specifier, context, next) => {
      const url = swap(specifier)
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true }
    },
    load: (url, context, next) => {
      const loaded = next(url, context)
      if (url.startsWith('file:') && loaded.source)
        sources.set(url, Buffer.from(loaded.source as Uint8Array).toString('utf8'))
      return loaded
    },
  })
  /**
   * V8 keeps the place of a syntax error in JavaScript to itself; the type stripper's parser, run over what was loaded,
   * names it.
   */
  const syntaxPlace = (): string | null => {
    for (const [url, source] of sources) {
      try {
        stripTypeScriptTypes(source, { sourceUrl: fileURLToPath(url) })
      } catch (error) {
        return error instanceof Error ? placeOf(error) : null
      }
    }
    return null
  }
  return (thrown) => {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    const at = importPlace(error, sources) ?? placeOf(error) ?? (error instanceof SyntaxError ? syntaxPlace() : null)
    return { name: error.name, message: error.message.slice(0, 4_000), at, denied: deniedTo(error) }
  }
}
