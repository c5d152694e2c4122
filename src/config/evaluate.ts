/**
 * The child in which a user's config is evaluated; started by evaluation.ts under `node --permission`, with read rights
 * for its project only, no network, no processes, and no environment but what was granted. Arguments: the config's file
 * URL, and the URL that `swarmsitter` means (our own index, so that a config works wherever it stands). Tells a Report
 * on stdout and ends.
 */
import { Console } from 'node:console'
import { grantedEnvironment } from './env.ts'
import { watchLoading } from './loading.ts'
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

const toldOf = watchLoading((specifier) => (specifier === 'swarmsitter' ? indexUrl : undefined))

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
    return { error: toldOf(thrown) }
  }
}

const outcome = await evaluate()
const report: Report = { asked: [...asked].map(([name, needed]) => ({ name, needed })), ...outcome }
process.stdout.write(toLines(report), () => process.exit(0))
