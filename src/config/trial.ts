/**
 * The child in which an agents' module is loaded for trial; started by trials.ts as a config's is evaluated: no rights
 * but to read its own project, no network, no processes, no environment. It loads the module as a host would, looks
 * for an agent in it, and runs none. Argument: the module's file URL. Tells a Report on stdout and ends.
 */
import { Console } from 'node:console'
import { watchLoading } from './loading.ts'
import { toLines, type Report } from './report.ts'

const [moduleUrl] = process.argv.slice(2) as [string]

// stdout carries the report; what the module prints goes where people look.
globalThis.console = new Console(process.stderr, process.stderr)

const toldOf = watchLoading(() => undefined)
/** What `defineAgent` marks its values with (src/agent/define.ts), also where the user's copy of it is another. */
const mark = Symbol.for('swarmsitter.agent')

const load = async (): Promise<Omit<Report, 'asked'>> => {
  try {
    const module = (await import(moduleUrl)) as Readonly<Record<string, unknown>>
    const found = module['default'] ?? module['agent']
    if (typeof found === 'object' && found !== null && mark in found) return { value: 'an agent' }
    const what = found === null ? 'null' : typeof found
    throw new Error(`it must export defineAgent({...}) as default; its default export is ${what}`)
  } catch (thrown) {
    return { error: toldOf(thrown) }
  }
}

const report: Report = { asked: [], ...(await load()) }
process.stdout.write(toLines(report), () => process.exit(0))
