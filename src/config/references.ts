/**
 * Checks between the parts of a config: names that must exist, routes that must be allowed, numbers that must fit one
 * another. They run over the raw value, tolerant of every other fault, so that all faults are told at once.
 */
import { parseAgent } from '../model/model.ts'
import { budgetFaults } from './budgets.ts'
import { fallbackFaults } from './fallbacks.ts'
import { faultAt, nearest, show, type ConfigFault, type Path } from './faults.ts'
import { valueAt } from './issues.ts'
import { swarmLimitFaults, upstreamLimitFaults } from './limits.ts'
import { orderFaults } from './order.ts'
import { priceFaults } from './price.ts'
import { entriesAt, namesAt, refers, textAt } from './raw.ts'
import { covers, parsePattern, parseRoute, type Route } from './route.ts'
import { readShare, usualOutcome } from './shapes.ts'

/** The agents of an override exist, are of its type and are named once (`settler/7` is `settler/0007`). */
const overrides = (raw: unknown, type: string): readonly ConfigFault[] => {
  const count = Number(valueAt(raw, ['agents', type, 'count']) ?? 1)
  const seen = new Set<number>()
  return entriesAt(raw, ['agents', type, 'overrides']).flatMap(([key]) => {
    const agent = parseAgent(key)
    const path = ['agents', type, 'overrides', key]
    if (agent?.type !== type) return [faultAt(path, 'this name', `an agent of this type like "${type}/0001"`)]
    if (seen.has(agent.number)) return [faultAt(path, 'the same agent again', 'each agent once')]
    seen.add(agent.number)
    return agent.number < 1 || agent.number > count
      ? [faultAt(path, 'this agent', `a number from 1 to the count of ${count}`)]
      : []
  })
}

/** Whoever asks a program from outside must be able to reach it: nobody reaches into a sandbox. */
const health = (raw: unknown, type: string): readonly ConfigFault[] => {
  const at = (...path: string[]): unknown => valueAt(raw, ['agents', type, ...path])
  if (at('health') === undefined) return []
  const path = ['agents', type, 'health']
  if (at('run', 'command') === undefined)
    return [faultAt(path, 'this key', 'it to be left out: only a program (`run.command`) has probes')]
  const kind = at('cell', 'kind') ?? at('cell')
  if (kind === 'process') return []
  return [faultAt(path, 'this key', "cell: 'process' beside it: this version cannot ask a program in a sandbox")]
}

/** What drills may harm must not be near money: no route that moves it, and no upstream that a channel pays by. */
const canaries = (raw: unknown, type: string): readonly ConfigFault[] => {
  if (valueAt(raw, ['agents', type, 'canary']) !== true) return []
  const paying = new Set(namesAt(raw, 'channels').map((name) => textAt(raw, ['channels', name, 'upstream'])))
  return entriesAt(raw, ['agents', type, 'upstreams']).flatMap(([index, name]) => {
    if (typeof name !== 'string') return []
    const money = valueAt(raw, ['upstreams', name, 'money'])
    const moves = paying.has(name) || (Array.isArray(money) && money.length > 0)
    const path = ['agents', type, 'upstreams', Number(index)]
    return moves ? [faultAt(path, show(name), 'an upstream that moves no money, because drills harm canaries')] : []
  })
}

/** Nothing bounds the disk of who has no walls: a bound that is written and not kept would be believed. */
const unboundedDisk = (raw: unknown, type: string): readonly ConfigFault[] => {
  const at = (...path: string[]): unknown => valueAt(raw, ['agents', type, ...path])
  const isBare = (at('cell', 'kind') ?? at('cell')) === 'process' || at('cell', 'walls') === false
  if (!isBare || at('limits', 'disk') === undefined || at('cell', 'orWeaker') === true) return []
  const instead = 'it to be left out, for nothing bounds the disk of a cell without walls'
  return [
    faultAt(
      ['agents', type, 'limits', 'disk'],
      show(at('limits', 'disk')),
      `${instead}; or cell.orWeaker: true beside it`,
    ),
  ]
}

/** What a module has and a program has not, and the other way round. */
const programs = (raw: unknown, type: string): readonly ConfigFault[] => {
  const at = (...path: string[]): unknown => valueAt(raw, ['agents', type, ...path])
  const kind = at('cell', 'kind') ?? at('cell')
  const kindPath = ['agents', type, 'cell', ...(at('cell', 'kind') === undefined ? [] : ['kind'])]
  const wrong = (path: readonly string[], expected: string): ConfigFault =>
    faultAt(['agents', type, ...path], show(at(...path)), expected)
  const ofMachines = (['memory', 'slice'] as const).flatMap((name) =>
    kind === 'vm' || at('cell', name) === undefined
      ? []
      : [wrong(['cell', name], 'it to be left out: only a vm cell has it; limits.memory is for other cells')],
  )
  const ofProcesses =
    kind === 'process' || at('cell', 'user') === undefined
      ? []
      : [wrong(['cell', 'user'], 'it to be left out: only a process cell may be another user than the sandbox or host')]
  if (at('run', 'command') === undefined && at('run', 'exec') === undefined)
    return [
      ...ofMachines,
      ...ofProcesses,
      ...(at('proxy') === undefined ? [] : [wrong(['proxy'], 'it to be left out: a module calls ctx.fetch')]),
      ...(kind === 'process' || kind === 'sandbox'
        ? [faultAt(kindPath, show(kind), '"pool" or "vm" for a module; perCell: 1 gives each its own')]
        : []),
      ...(kind === 'vm' && at('cell', 'walls') === false
        ? [
            wrong(
              ['cell', 'walls'],
              'it to be left out: a vm cell has no files or network to give; orWeaker takes less',
            ),
          ]
        : []),
    ]
  return [
    ...ofMachines,
    ...ofProcesses,
    ...((at('cell', 'standby') ?? 0) === 0 ? [] : [wrong(['cell', 'standby'], '0: no program is started ahead')]),
    ...(kind === 'pool' || kind === 'vm'
      ? [faultAt(kindPath, show(kind), '"sandbox" or "process" for a program')]
      : []),
    ...(at('cell', 'walls') === undefined
      ? []
      : [wrong(['cell', 'walls'], 'it to be left out: "sandbox" has walls, "process" has none')]),
    ...((at('perCell') ?? 1) === 1 ? [] : [wrong(['perCell'], '1: a program has a cell of its own')]),
    ...(at('run', 'exec') === undefined || at('config') === undefined
      ? []
      : [wrong(['config'], 'it to be left out: a process a task gets its payload and nothing else')]),
  ]
}

const agents = (raw: unknown): readonly ConfigFault[] =>
  namesAt(raw, 'agents').flatMap((type) => [
    ...entriesAt(raw, ['agents', type, 'upstreams']).flatMap((_, index) =>
      refers(raw, ['agents', type, 'upstreams', index], 'upstreams'),
    ),
    ...overrides(raw, type),
    ...programs(raw, type),
    ...unboundedDisk(raw, type),
    ...health(raw, type),
    ...canaries(raw, type),
  ])

const patternsAt = (raw: unknown, upstream: string, list: 'allow' | 'money'): readonly Route[] =>
  entriesAt(raw, ['upstreams', upstream, list]).flatMap(([, text]) => {
    const pattern = typeof text === 'string' ? parsePattern(text) : undefined
    return pattern ? [pattern] : []
  })

const covered = (raw: unknown, upstream: string, list: 'allow' | 'money', route: Route): boolean =>
  patternsAt(raw, upstream, list).some((pattern) => covers(pattern, route))

/** A payment must leave on a money route, and its query must not. */
const channelRoutes = (raw: unknown, channel: string): readonly ConfigFault[] => {
  const upstream = textAt(raw, ['channels', channel, 'upstream'])
  if (upstream === undefined || !namesAt(raw, 'upstreams').includes(upstream)) return []
  const at = (path: Path, query: 'query' | 'no-query'): { path: Path; text: string; route: Route } | undefined => {
    const text = textAt(raw, path)
    const route = text === undefined ? undefined : parseRoute(text, query)
    return text !== undefined && route ? { path, text, route } : undefined
  }
  const pay = at(['channels', channel, 'pay'], 'no-query')
  const query = at(['channels', channel, 'resolve', 'query'], 'query')
  return [
    ...(['allow', 'money'] as const).flatMap((list) =>
      pay && !covered(raw, upstream, list, pay.route)
        ? [faultAt(pay.path, show(pay.text), `a route that upstreams.${upstream}.${list} covers`)]
        : [],
    ),
    ...(query && !covered(raw, upstream, 'allow', query.route)
      ? [faultAt(query.path, show(query.text), `a route that upstreams.${upstream}.allow covers`)]
      : []),
    ...(query && covered(raw, upstream, 'money', query.route)
      ? [faultAt(query.path, show(query.text), `a route that moves no money: upstreams.${upstream}.money covers it`)]
      : []),
  ]
}

/** One status has one meaning. */
const outcomes = (raw: unknown, channel: string): readonly ConfigFault[] => {
  const meaning = new Map<string, string>()
  return (['accepted', 'rejected', 'unknown'] as const).flatMap((list) => {
    const given = valueAt(raw, ['channels', channel, 'outcome', list])
    return (Array.isArray(given) ? (given as readonly unknown[]) : usualOutcome[list]).flatMap((status, index) => {
      const before = meaning.get(String(status))
      meaning.set(String(status), list)
      const path = ['channels', channel, 'outcome', list, index]
      return before === undefined
        ? []
        : [faultAt(path, show(status), `a status that stands once: it is under ${before} already`)]
    })
  })
}

/** Faults that only one kind of provider has. */
const faultsOf: Readonly<Record<string, readonly string[]>> = {
  bank: ['cutBeforeAccept', 'decline', 'late'],
  llm: ['overloaded'],
}

/** What a provider of this kind cannot do. */
const strange = (raw: unknown, name: string): readonly ConfigFault[] => {
  const kind = textAt(raw, ['rehearsal', name, 'kind']) ?? 'bank'
  const others = Object.entries(faultsOf).flatMap(([other, faults]) => (other === kind ? [] : faults))
  const wrong = (path: Path): ConfigFault => faultAt(path, `it at a ${kind}`, 'it to be left out')
  return [
    ...(kind === 'bank' && valueAt(raw, ['rehearsal', name, 'tokens']) !== undefined
      ? [wrong(['rehearsal', name, 'tokens'])]
      : []),
    ...entriesAt(raw, ['rehearsal', name, 'faults'])
      .filter(([fault]) => others.includes(fault))
      .map(([fault]) => wrong(['rehearsal', name, 'faults', fault])),
  ]
}

const rehearsals = (raw: unknown): readonly ConfigFault[] =>
  namesAt(raw, 'rehearsal').flatMap((name) => {
    const shares = entriesAt(raw, ['rehearsal', name, 'faults']).map(([fault, share]) =>
      fault === 'decline' ? 0 : (readShare(share) ?? 0),
    )
    const sum = shares.reduce((total, share) => total + share, 0)
    return [
      ...strange(raw, name),
      ...refers(raw, ['rehearsal', name, 'credential'], 'credentials'),
      // Shares are decimal text in the file and doubles here; a millionth over is rounding.
      ...(sum > 1.000_001
        ? [
            faultAt(
              ['rehearsal', name, 'faults'],
              `a sum of ${sum}`,
              'shares that sum to at most 1 (decline is drawn apart)',
            ),
          ]
        : []),
    ]
  })

/** Keys are made and ended by the gate alone: a route that agents may use would let them do it. */
const credentials = (raw: unknown): readonly ConfigFault[] =>
  namesAt(raw, 'credentials').flatMap((name) => {
    const own = namesAt(raw, 'upstreams').find((one) => textAt(raw, ['upstreams', one, 'credentials']) === name)
    const upstream = textAt(raw, ['credentials', name, 'rotate', 'upstream']) ?? own
    const routes = (['mint', 'revoke'] as const).flatMap((step) => {
      const path = ['credentials', name, 'rotate', step]
      const text = textAt(raw, path)
      const route = text === undefined ? undefined : parseRoute(text, 'no-query')
      if (text === undefined || route === undefined) return []
      if (upstream === undefined)
        return [faultAt(path, show(text), 'an upstream that has this credential, or rotate.upstream')]
      return covered(raw, upstream, 'allow', route)
        ? [faultAt(path, show(text), `a route that upstreams.${upstream}.allow does not cover: agents could use it`)]
        : []
    })
    return [
      ...refers(raw, ['credentials', name, 'rotate', 'upstream'], 'upstreams'),
      ...refers(raw, ['credentials', name, 'oauth', 'clientSecret'], 'credentials'),
      ...routes,
    ]
  })

/** Certificates are shown and looked at by TLS alone. */
const certificates = (raw: unknown, upstream: string): readonly ConfigFault[] => {
  const path: Path = ['upstreams', upstream]
  if (textAt(raw, [...path, 'url'])?.startsWith('http:') !== true) return []
  const credential = textAt(raw, [...path, 'credentials'])
  const fallback = credential === undefined ? undefined : textAt(raw, ['credentials', credential, 'fallback'])
  const shown = [credential, fallback].find(
    (name) => name !== undefined && textAt(raw, ['credentials', name, 'kind']) === 'mtls',
  )
  return [
    ...(shown === undefined
      ? []
      : [faultAt([...path, 'url'], 'an http address', `https: ${shown} is a client certificate`)]),
    ...(valueAt(raw, [...path, 'ca']) === undefined
      ? []
      : [faultAt([...path, 'ca'], 'it beside an http address', 'it to be left out, or an https address')]),
  ]
}

export const crossFaults = (raw: unknown): readonly ConfigFault[] => [
  ...agents(raw),
  ...orderFaults(raw),
  ...namesAt(raw, 'tasks').flatMap((name) => refers(raw, ['tasks', name, 'agent'], 'agents')),
  ...namesAt(raw, 'upstreams').flatMap((name) => [
    ...refers(raw, ['upstreams', name, 'credentials'], 'credentials'),
    ...upstreamLimitFaults(raw, name),
    ...certificates(raw, name),
    ...priceFaults(raw, name),
  ]),
  ...namesAt(raw, 'credentials').flatMap((name) =>
    entriesAt(raw, ['credentials', name, 'scope', 'agents']).flatMap((_, index) =>
      refers(raw, ['credentials', name, 'scope', 'agents', index], 'agents'),
    ),
  ),
  ...namesAt(raw, 'channels').flatMap((name) => [
    ...refers(raw, ['channels', name, 'upstream'], 'upstreams'),
    ...channelRoutes(raw, name),
    ...outcomes(raw, name),
  ]),
  ...swarmLimitFaults(raw),
  ...namesAt(raw, 'budgets').flatMap((name) => budgetFaults(raw, name)),
  ...credentials(raw),
  ...fallbackFaults(raw),
  ...rehearsals(raw),
  ...entriesAt(raw, ['degrade', 'channels']).flatMap(([name]) => {
    const known = namesAt(raw, 'channels')
    if (known.includes(name)) return []
    const expected = `one of channels: ${known.slice(0, 20).join(', ') || 'none'}`
    return [faultAt(['degrade', 'channels', name], 'this name', expected, nearest(name, known))]
  }),
]
