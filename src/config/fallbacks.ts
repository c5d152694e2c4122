/** Whether another account may stand in for one: what must hold of both, and where none may. */
import { valueAt } from './issues.ts'
import { faultAt, show, type ConfigFault, type Path } from './faults.ts'
import { entriesAt, namesAt, refers, textAt } from './raw.ts'

const accountOf = (raw: unknown, name: string): string | undefined =>
  textAt(raw, ['credentials', name, 'scope', 'account'])

const membersOf = (raw: unknown, name: string): readonly string[] => {
  const pool = entriesAt(raw, ['credentials', name, 'pool']).map(([, one]) => String(one))
  return [name, ...pool]
}

/** Both say which account they are of, and it is not the same. */
const accounts = (raw: unknown, name: string, fallback: string): readonly ConfigFault[] => {
  const [own, other] = [accountOf(raw, name), accountOf(raw, fallback)]
  const unnamed = [name, fallback]
    .filter((one) => accountOf(raw, one) === undefined)
    .map((one) =>
      faultAt(
        ['credentials', one, 'scope', 'account'],
        show(valueAt(raw, ['credentials', one, 'scope', 'account'])),
        `the name of its account: ${fallback} is the fallback of ${name}, and only names tell accounts apart`,
      ),
    )
  if (unnamed.length > 0 || own !== other) return unnamed
  const path: Path = ['credentials', fallback, 'scope', 'account']
  const expected = `another account than that of ${name}: another key of the same account is a member of its pool`
  return [faultAt(path, show(other), expected)]
}

/** Payments never change accounts: books are kept by channel, and another way to pay is another channel. */
const money = (raw: unknown, name: string, path: Path): readonly ConfigFault[] =>
  namesAt(raw, 'upstreams')
    .filter((upstream) => textAt(raw, ['upstreams', upstream, 'credentials']) === name)
    .flatMap((upstream) => {
      const channel = namesAt(raw, 'channels').find((one) => textAt(raw, ['channels', one, 'upstream']) === upstream)
      const moves = entriesAt(raw, ['upstreams', upstream, 'money']).length > 0
      if (channel === undefined && !moves) return []
      const why = channel === undefined ? `upstreams.${upstream} has money routes` : `channels.${channel} pays by it`
      const expected = `it to be left out: ${why}, and another account to pay from is another channel`
      return [faultAt(path, show(textAt(raw, path)), expected)]
    })

const ofOne = (raw: unknown, name: string): readonly ConfigFault[] => {
  const path: Path = ['credentials', name, 'fallback']
  const fallback = textAt(raw, path)
  if (fallback === undefined) return []
  const wrong = (expected: string): ConfigFault => faultAt(path, show(fallback), expected)
  const unknown = refers(raw, path, 'credentials')
  if (unknown.length > 0) return unknown
  if (fallback === name) return [wrong('another credential than itself')]
  const shared = membersOf(raw, name).filter((one) => membersOf(raw, fallback).includes(one))
  return [
    ...(textAt(raw, ['credentials', fallback, 'fallback']) === undefined
      ? []
      : [wrong(`a credential that has no fallback itself: take credentials.${fallback}.fallback out`)]),
    ...(shared.length === 0 ? [] : [wrong(`no secret that is in both: ${shared.join(', ')} is of one account`)]),
    ...accounts(raw, name, fallback),
    ...money(raw, name, path),
  ]
}

export const fallbackFaults = (raw: unknown): readonly ConfigFault[] =>
  namesAt(raw, 'credentials').flatMap((name) => ofOne(raw, name))
