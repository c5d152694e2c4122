/**
 * The child in which a user's config is evaluated; started by evaluation.ts under `node --permission`, with read rights
 * for its project only, no network, no processes, and no environment but what was granted. Arguments: the config's file
 * URL, and the URL that `swarmsitter` means (our own index, so that a config works wherever it stands). Tells a Report
 * on stdout and ends.
 */
import { Console } from 'node:console'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { grantedEnvironment } from './env.ts'
import { strangeValues } from './plain.ts'
import { toLines, type Report } from './report.ts'

const [configUrl, indexUrl] = process.argv.slice(2) as [string, string]

// stdout carries the report; what the config prints goes where people look.
globalThis.console = new Console(process.stderr, process.stderr)

const granted = grantedEnvironment()
const asked = new Map<string, boolean>()

/** `env()` of the index calls this. An empty variable counts as unset, as in a shell's `${X:-default}`. */
const readVariable = (name: string, fallback?: string): string => {
  asked.set(name, (asked.get(name) ?? false) || fallback === undefined)
  // An absent one without default is '' for now, so that one run names all that are missing; the loader refuses then.
  return granted[name] || (fallback ?? '')
}
Object.defineProperty(globalThis, Symbol.for('swarmsitter.env'), { value: readVariable })

const sources = new Map<string, string>()

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'swarmsitter' ? { url: indexUrl, shortCircuit: true } : next(specifier, context),
  load: (url, context, next) => {
    const loaded = next(url, context)
    if (url.startsWith('file:') && loaded.source)
      sources.set(url, Buffer.from(loaded.source as Uint8Array).toString('utf8'))
    return loaded
  },
})

/** Where an error arose, as file:line: from the frames, or the first line that type stripping puts before them. */
const placeOf = (error: Error): string | null => {
  const match = /(?:^|\()(?:file:\/\/)?(\/[^\n()]+?):([0-9]+)(?::[0-9]+)?\)?$/m.exec(
    error.stack?.replaceAll(/^ +at (?:async )?/gm, '') ?? '',
  )
  return match ? `${match[1]}:${match[2]}` : null
}

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

const evaluate = async (): Promise<Omit<Report, 'asked'>> => {
  try {
    const module = (await import(configUrl)) as { readonly default?: unknown }
    const value = module.default
    if (value === undefined) {
      return {
        error: {
          name: 'Error',
          message: 'it has no default export: write `export default defineSwarm({ … })`',
          at: null,
          denied: null,
        },
      }
    }
    const strange = strangeValues(value)
    return strange.length > 0 ? { strange } : { value }
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    const { code, permission, resource } = error as Error & { code?: string; permission?: string; resource?: string }
    const at = placeOf(error) ?? (error instanceof SyntaxError ? syntaxPlace() : null)
    const denied =
      code === 'ERR_ACCESS_DENIED' ? `${permission ?? 'something'}${resource ? ` of ${resource}` : ''}` : null
    return { error: { name: error.name, message: error.message.slice(0, 4_000), at, denied } }
  }
}

const outcome = await evaluate()
const report: Report = { asked: [...asked].map(([name, needed]) => ({ name, needed })), ...outcome }
process.stdout.write(toLines(report), () => process.exit(0))
