/**
 * `completion` prints what a shell needs; on Tab the shell asks `sitter complete -- <words>`. The words come from the
 * list of verbs, the values from the model and from the configuration that was applied last: no sitter is asked, for a
 * shell must not wait for one.
 *
 * Words on the line are data: the scripts hand them over as arguments and never evaluate them, and what comes back is
 * plain names only, since a shell puts it on the line that the person runs next.
 */
import { readApplied, type SwarmConfig } from '../../config/config.ts'
import { agentStates, modes, settlementStates, taskStates } from '../../model/model.ts'
import { logLevels, roles } from '../../record/record.ts'
import { failure } from '../../std/std.ts'
import { scripts, shells } from './completion-scripts.ts'
import { nearestDataDirectory } from './locate.ts'
import type { Surroundings } from './surroundings.ts'
import { everywhere, type Deed, type Verb } from './verb.ts'

interface Values {
  readonly agentTypes: readonly string[]
  readonly taskTypes: readonly string[]
  readonly channels: readonly string[]
  readonly upstreams: readonly string[]
  readonly credentials: readonly string[]
}

const noValues: Values = { agentTypes: [], taskTypes: [], channels: [], upstreams: [], credentials: [] }

const appliedConfig = async (world: Surroundings, directory: string): Promise<SwarmConfig | undefined> => {
  try {
    return (await readApplied(world.disk, directory)).config
  } catch {
    return undefined // nothing was applied yet, or it cannot be read: then there is nothing to offer
  }
}

const valuesHere = async (world: Surroundings): Promise<Values> => {
  const directory = world.env['SITTER_DATA_DIR'] ?? (await nearestDataDirectory(world))
  const config = directory === undefined ? undefined : await appliedConfig(world, directory)
  if (config === undefined) return noValues
  return {
    agentTypes: Object.keys(config.agents),
    taskTypes: Object.keys(config.tasks),
    channels: Object.keys(config.channels),
    upstreams: Object.keys(config.upstreams),
    credentials: Object.keys(config.credentials),
  }
}

export const exportKinds = ['tasks', 'attempts', 'settlements', 'transfers', 'audit'] as const

/** What may stand behind an option of a verb, or for one of its words; empty = not ours to tell. */
const choices = (verb: Verb, word: string, values: Values): readonly string[] => {
  const isWork = verb.path.startsWith('task') || verb.path.startsWith('dlq')
  switch (word) {
    case 'type':
      return isWork ? values.taskTypes : values.agentTypes
    case '<type>':
      return values.taskTypes
    case '<agent|type>':
      return values.agentTypes
    case 'state':
      return isWork ? taskStates : verb.path.startsWith('settlement') ? settlementStates : agentStates
    case 'mode':
      return modes
    case 'channel':
      return values.channels
    case '<upstream>':
      return values.upstreams
    case '<credential>':
      return values.credentials
    case 'level':
      return Object.keys(logLevels)
    case 'role':
      return roles
    case 'as':
      return ['settled', 'absent']
    case '<shell>':
      return shells
    case '<kind>':
      return exportKinds
    default:
      return []
  }
}

interface Flag {
  readonly names: readonly string[]
  readonly key: string
  readonly what: string
  readonly takesValue: boolean
}

const flagOf = ([flags, what]: readonly [string, string]): Flag => {
  const [, short, name = '', value] = /^(?:-(\w), )?--([a-z-]+)( .*)?$/.exec(flags) ?? []
  const names = [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]
  return { names, key: name, what, takesValue: value?.includes('<') === true }
}

export interface Offer {
  readonly value: string
  readonly what: string
}

/** The verbs, handed in by their own list. */
export interface Vocabulary {
  readonly verbs: readonly Verb[]
  readonly groupSummaries: Readonly<Record<string, string>>
}

/** Where the last word stands, after reading all before it. */
interface Place {
  /** Words of the verb so far, options left out. */
  readonly words: readonly string[]
  readonly verb: Verb | undefined
  /** The option whose value comes next. */
  readonly option: Flag | undefined
  /** After `--` nothing is an option. */
  readonly literal: boolean
}

const verbOf = ({ verbs }: Vocabulary, words: readonly string[]): Verb | undefined =>
  verbs.find(({ path, alias, hidden }) => {
    const parts = path.split(' ')
    const isAlias = alias !== undefined && alias === words[0]
    return hidden !== true && (isAlias || parts.every((part, index) => words[index] === part))
  })

const flagsOf = (verb: Verb | undefined): readonly Flag[] => [...(verb?.options ?? []), ...everywhere].map(flagOf)

const placeAfter = (vocabulary: Vocabulary, before: readonly string[]): Place => {
  const words: string[] = []
  let option: Flag | undefined
  let literal = false
  for (const word of before) {
    // bash cuts `--type=settler` into three words.
    if (option !== undefined && word === '=') continue
    if (option !== undefined) option = undefined
    else if (literal || !word.startsWith('-')) words.push(word)
    else if (word === '--') literal = true
    else option = flagsOf(verbOf(vocabulary, words)).find(({ names, takesValue }) => takesValue && names.includes(word))
  }
  return { words, verb: verbOf(vocabulary, words), option, literal }
}

const named = (values: readonly string[]): Offer[] => values.map((value) => ({ value, what: '' }))

const verbOffers = ({ verbs, groupSummaries }: Vocabulary, words: readonly string[]): Offer[] => {
  const offers = new Map<string, string>()
  for (const { path, summary, hidden } of verbs) {
    const [first = '', second] = path.split(' ')
    if (hidden === true) continue
    if (words.length === 0) offers.set(first, second === undefined ? summary : (groupSummaries[first] ?? ''))
    else if (words.length === 1 && first === words[0] && second !== undefined) offers.set(second, summary)
  }
  return [...offers].map(([value, what]) => ({ value, what }))
}

/** What may stand where the last word stands, whatever has been typed of it. */
const offersAt = (vocabulary: Vocabulary, place: Place, last: string, values: Values): Offer[] => {
  const { words, verb, option, literal } = place
  if (option !== undefined) return verb === undefined ? [] : named(choices(verb, option.key, values))
  if (!literal && last.startsWith('-')) return flagsOf(verb).map(({ names, what }) => ({ value: names[0]!, what }))
  if (verb === undefined) return verbOffers(vocabulary, words)
  const parameters = verb.parameters ?? []
  const parameter = parameters[words.length - verb.path.split(' ').length]
  return parameter === undefined ? [] : named(choices(verb, parameter[0], values))
}

/** A shell may put it on the line as it is: no character of it means anything to any of them. */
const isPlainWord = (value: string): boolean => /^[A-Za-z0-9-][A-Za-z0-9._/@-]{0,127}$/.test(value)

/** Pure: what may come at the end of the words, the last of which is being typed. */
export const offersFor = (vocabulary: Vocabulary, typed: readonly string[], values: Values = noValues): Offer[] => {
  const last = typed.at(-1) ?? ''
  const before = typed.slice(0, -1)
  const [, flag, begun] = /^(--[a-z-]+)=(.*)$/s.exec(last) ?? []
  const place = placeAfter(vocabulary, flag === undefined ? before : [...before, flag])
  // `--type=` of bash is two words, of which the second is the sign alone.
  const beginning = begun ?? (last === '=' ? '' : last)
  return offersAt(vocabulary, place, beginning, values)
    .filter(({ value }) => value.startsWith(beginning) && isPlainWord(value))
    .map(({ value, what }) => ({ value: flag === undefined ? value : `${flag}=${value}`, what }))
}

export const completionOf = (vocabulary: Vocabulary): { readonly completion: Deed; readonly complete: Deed } => ({
  completion: async ({ arguments: [shell], printer }) => {
    const script = shells.find((one) => one === shell)
    if (script === undefined)
      throw failure('usage', `there is a completion for ${shells.join(', ')}, not for ${JSON.stringify(shell ?? '')}`)
    printer.line(scripts[script].trim())
    return 0
  },
  /** Prints what may come next, a value and a word about it a line. */
  complete: async ({ arguments: words, world }) => {
    const typed = words.filter((word) => word !== undefined)
    const offers = offersFor(vocabulary, typed, await valuesHere(world))
    for (const { value, what } of offers) world.stdout.write(`${value}\t${what}\n`)
    return 0
  },
})
