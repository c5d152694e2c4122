/**
 * Front door of the CLI: arguments in, exit code out. Everything that a verb prints goes through the printer,
 * everything else through `world`.
 */
import { makePrinter } from './printer.ts'
import { parseArguments } from './program.ts'
import { printError } from './refusal.ts'
import type { Surroundings } from './surroundings.ts'
import type { Invocation } from './verb.ts'

export type { Inspection } from './inspection.ts'
export type { Input, Output, Surroundings, WatchAsk, Watching } from './surroundings.ts'
export { streamInput, streamOutput } from './terminal.ts'

/** Resolves with the exit code when the verb has ended; never rejects. */
export const runCli = async (argv: readonly string[], world: Surroundings): Promise<number> => {
  const parsed = parseArguments(argv, world)
  if (parsed.kind === 'ended') return parsed.exit
  const { verb, options } = parsed
  const printer = makePrinter(world, {
    json: options.flag('json'),
    quiet: options.flag('quiet'),
    noColour: options.flag('noColor'),
  })
  const interrupt = new AbortController()
  const stopListening = verb.ownsInterrupt ? () => {} : world.onSignal('SIGINT', () => interrupt.abort())
  const invocation: Invocation = {
    arguments: parsed.parameters,
    options,
    world,
    printer,
    interrupted: interrupt.signal,
    api: async () => {
      const [{ openApi }, { locate }, { slowTeller }] = await Promise.all([
        import('./client.ts'),
        import('./locate.ts'),
        import('./silence.ts'),
      ])
      const slow = slowTeller(world, options, printer)
      return openApi(world, await locate(world, options), interrupt.signal, slow)
    },
  }
  const gone = new Promise<number>((resolve) => {
    interrupt.signal.addEventListener('abort', () => resolve(130), { once: true })
  })
  const deed = async (): Promise<number> => {
    try {
      return await (
        await verb.load()
      )(invocation)
    } catch (error) {
      if (interrupt.signal.aborted) return 130
      const { aboutSilence } = await import('./silence.ts')
      const told = await aboutSilence(world, options, error)
      return printError(printer, told, `\`sitter ${verb.path} --help\` shows what there is`)
    }
  }
  try {
    return await Promise.race([deed(), gone])
  } finally {
    stopListening()
    await Promise.all([world.stdout.drained(), world.stderr.drained()])
  }
}
