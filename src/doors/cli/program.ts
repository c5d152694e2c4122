/** Turns arguments into a verb and its options with commander; help, version and wrong usage end here. */
import { Command, CommanderError, Option } from 'commander'
import { makePrinter } from './printer.ts'
import { printError } from './refusal.ts'
import { failure } from '../../std/std.ts'
import type { Surroundings } from './surroundings.ts'
import { everywhere, optionReader, type OptionReader, type Verb } from './verb.ts'
import { groupSummaries, laterVerbs, verbs } from './verbs.ts'

export type Parsed =
  | {
      readonly kind: 'verb'
      readonly verb: Verb
      readonly parameters: readonly (string | undefined)[]
      readonly options: OptionReader
    }
  | { readonly kind: 'ended'; readonly exit: number }

const globals = (command: Command): Command => {
  for (const [flags, what] of everywhere) command.addOption(new Option(flags, what).helpGroup('Everywhere:'))
  return command.helpOption('-h, --help', 'this help')
}

const exampleText = (examples: readonly string[]): string =>
  examples.length === 0 ? '' : `\nExamples:\n${examples.map((example) => `  $ sitter ${example}`).join('\n')}\n`

/**
 * What was asked for, before the verb or behind it; the nearest to the verb's end wins. commander keeps `--no-color` as
 * `color: false`, which is never a wish when it is true.
 */
const givenOptions = (command: Command): Record<string, unknown> => {
  const { color, ...own } = command.opts<Record<string, unknown>>()
  const above = command.parent === null ? {} : givenOptions(command.parent)
  return { ...above, ...own, ...(color === false && { noColor: true }) }
}

type Chosen = { verb: Verb; parameters: readonly (string | undefined)[]; options: OptionReader }

const addVerb = (parent: Command, name: string, verb: Verb, choose: (chosen: Chosen) => void): void => {
  const command = globals(
    parent
      .command(name, { hidden: verb.hidden === true })
      .summary(verb.summary)
      .description(`${verb.summary}.`)
      .helpGroup(`${verb.group}:`),
  )
  if (verb.alias !== undefined) command.alias(verb.alias)
  for (const [parameter, what] of verb.parameters ?? []) command.argument(parameter, what)
  for (const [flags, what] of verb.options ?? []) command.option(flags, what)
  command.addHelpText('after', exampleText(verb.examples))
  command.allowExcessArguments(false)
  command.action((...given: unknown[]) => {
    const parameters = given
      .slice(0, -2)
      // A variadic parameter comes as a list.
      .flat()
      .map((value) => (typeof value === 'string' ? value : undefined))
    choose({ verb, parameters, options: optionReader(givenOptions(command)) })
  })
}

const buildProgram = (world: Surroundings, choose: (chosen: Chosen) => void): Command => {
  const program = globals(new Command('sitter'))
    // Each option belongs to the word that it stands behind; givenOptions puts them together.
    .enablePositionalOptions()
    .description('Babysits a swarm of agents that do rate-limited, credentialed work and move money.')
    .version(world.version, '-V, --version', 'the version')
    .helpCommand('help [verb]', 'help for a verb')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: () => {},
      getOutHelpWidth: () => (world.stdout.isTerminal ? world.stdout.columns() : 100),
      getErrHelpWidth: () => (world.stderr.isTerminal ? world.stderr.columns() : 100),
    })
  program.addHelpText('after', exampleText(['up swarm.config.ts', 'status', 'describe settler/0042', 'help settle']))
  const groups = new Map<string, Command>()
  for (const verb of verbs) {
    const [first, second] = verb.path.split(' ') as [string, string | undefined]
    if (second === undefined) {
      addVerb(program, first, verb, choose)
      continue
    }
    let group = groups.get(first)
    if (group === undefined) {
      const summary = groupSummaries[first] ?? ''
      group = globals(program.command(first).summary(summary).description(`${summary}.`).helpGroup(`${verb.group}:`))
        .enablePositionalOptions()
        .helpCommand(false)
      groups.set(first, group)
    }
    addVerb(group, second, verb, choose)
  }
  return program
}

const takesValue = new Set(['--data-dir', '--url', '--token'])

/** The words that are neither options nor, before the verb, their values. */
const wordsOf = (argv: readonly string[]): string[] =>
  argv.filter((word, index) => !word.startsWith('-') && !takesValue.has(argv[index - 1] ?? ''))

/** What commander calls an error, in our form: first line without its prefix, its suggestion as the way out. */
const usageFailure = (message: string, argv: readonly string[]): Error => {
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n')
  const unknown = /^unknown command '(.*)'$/.exec(first)?.[1]
  const words = wordsOf(argv)
  const later = [unknown ?? '', words.slice(0, 2).join(' ')].find((path) => Object.hasOwn(laterVerbs, path))
  if (unknown !== undefined && later !== undefined) {
    return failure('usage', `\`sitter ${later}\` is not built yet in this version`, {
      facts: { wayOut: laterVerbs[later]! },
    })
  }
  const nearest = suggestion === undefined ? undefined : /Did you mean (.*)\?/.exec(suggestion)?.[1]
  const help = helpFor(words)
  const wayOut =
    nearest === undefined ? `\`${help}\` shows what there is` : `did you mean ${nearest}? (\`${help}\` shows all)`
  return failure('usage', withoutValues(first), { facts: { wayOut } })
}

/** Help for the words that are a verb or the beginning of one. */
const helpFor = ([first, second]: readonly string[]): string => {
  const both = `${first} ${second}`
  if (second !== undefined && verbs.some(({ path }) => path === both)) return `sitter ${both} --help`
  const isKnown = verbs.some(({ path, alias }) => path.split(' ')[0] === first || alias === first)
  return isKnown ? `sitter ${first} --help` : 'sitter --help'
}

/** Arguments too many may be a secret that was typed where it must not be: they are counted, not repeated. */
const withoutValues = (message: string): string =>
  message
    .replace('unknown command', 'unknown verb')
    .replace(/^too many arguments for '(.*)'\. Expected (\d+) arguments? but got (\d+):?.*$/s, (_, verb, most, got) =>
      Number(most) === 0
        ? `\`${verb}\` takes no argument, and got ${got}`
        : `\`${verb}\` takes ${most} argument${most === '1' ? '' : 's'}, and got ${got}`,
    )

/** `help task add` is `task add --help`; commander's own help knows one word. */
const asHelp = (argv: readonly string[]): string[] =>
  argv[0] === 'help' && argv[2] !== undefined && !argv[2].startsWith('-') ? [...argv.slice(1), '--help'] : [...argv]

/** The chosen verb, or the exit code when help, version or an error has been printed. */
export const parseArguments = (argv: readonly string[], world: Surroundings): Parsed => {
  const chosen: Chosen[] = []
  try {
    buildProgram(world, (one) => chosen.push(one)).parse(asHelp(argv), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help that was asked for is a result; help for want of a verb is an error.
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version')
      return { kind: 'ended', exit: 0 }
    if (error.code === 'commander.help') return { kind: 'ended', exit: error.exitCode === 0 ? 0 : 2 }
    const printer = makePrinter(world, {
      json: argv.includes('--json'),
      quiet: false,
      noColour: argv.includes('--no-color'),
    })
    return { kind: 'ended', exit: printError(printer, usageFailure(error.message, argv)) }
  }
  const [only] = chosen
  return only === undefined ? { kind: 'ended', exit: 2 } : { kind: 'verb', ...only }
}
