/** Does a deed of a rotation, and brings what it has shown as a fact. Gives ms until the next look, 0 = at once. */
import { failure, type Random } from '../../std/std.ts'
import type { SecretRow } from '../../store/store.ts'
import type { Fact } from './cycle.ts'
import type { Member, RotationsOptions, Sealed } from './member.ts'
import type { Deeds, Held, TestFact, Work } from './rotators.ts'

type Deed = (member: Member, deeds: Deeds) => Promise<number>

export interface Doing {
  readonly mint: Deed
  readonly look: Deed
  readonly test: Deed
  revoke(member: Member, deeds: Deeds, version: number): Promise<number>
}
export interface DoingOptions {
  readonly options: RotationsOptions
  readonly active: (name: string) => SecretRow | undefined
  /** Saves what a fact makes of the cycle; false when it came too late. */
  readonly take: (member: Member, fact: Fact | (() => Sealed)) => Promise<boolean>
}

const untested: TestFact = { kind: 'untested' }
const noneYet = 'no such key yet'

/** How a provider knows the key that is being made. */
export const newLabel = (random: Random, name: string): string =>
  `${name}-${Buffer.from(random.bytes(6)).toString('hex')}`

const openWork =
  ({ options, active }: DoingOptions) =>
  async ({ name, rule, cycle }: Member): Promise<Work> => {
    const serving = active(name)
    if (serving === undefined)
      throw failure('credential-unavailable', `${name} has no active version to ask with: sitter vault set ${name}`)
    const { version } = serving
    const by: Held = { version, secret: () => options.secretFor({ name, version }) }
    return { name, signing: rule.signing ?? { kind: 'bearer' }, by, label: cycle.label ?? '' }
  }

export const openDoing = (ask: DoingOptions): Doing => {
  const { options, take } = ask
  const work = openWork(ask)
  const held = (name: string, version: number): Held => ({
    version,
    secret: async () => options.vault.reveal({ name, version }),
  })
  const mint = async (member: Member, deeds: Deeds): Promise<number> => {
    const asked = await work(member)
    await take(member, { kind: 'asking' })
    const minted = await deeds.mint(asked)
    if (minted.kind !== 'minted') {
      await take(member, minted)
      return 0
    }
    const { secret, id, endsMs } = minted
    let version = 0
    // Facts wait for each other, and a rekey may come between: it is sealed when it is written.
    const sealed = (): Sealed => {
      const row = options.vault.seal(member.name, secret, 'staged', 'rotation')
      version = row.version
      const ends = endsMs ?? options.vault.endOf(member.name, secret)
      return { fact: { kind: 'minted', version, id, endsMs: ends }, add: [row] }
    }
    let taken: boolean
    try {
      taken = await take(member, sealed)
    } catch (error) {
      if (version !== 0) throw error
      await take(member, { kind: 'mint-unknown', why: 'what the provider gave is no secret that could be sent' })
      return 0
    }
    // Somebody set a version by hand meanwhile: nobody waits for this key any more.
    if (!taken) await deeds.revoke(asked, { id, held: { version, secret: async () => secret } })
    return 0
  }

  const look = async (member: Member, deeds: Deeds): Promise<number> => {
    const asked = await work(member)
    const found = await deeds.look(asked)
    if (found.kind !== 'ids') {
      await take(member, found)
      return 0
    }
    for (const id of found.ids) await deeds.revoke(asked, { id, held: null })
    // What was not there may only not have been there yet: two lists one after the other have to say so.
    const isGone = found.ids.length === 0 && member.cycle.why === noneYet
    const label = newLabel(options.random, member.name)
    const why = found.ids.length === 0 ? noneYet : 'a key that nobody has was there, and is ended'
    await take(member, isGone ? { kind: 'none-found', label } : { kind: 'still-there', why })
    return 0
  }

  const test = async (member: Member, deeds: Deeds): Promise<number> => {
    const version = member.cycle.next!
    const { name, rule } = member
    const isOauth = rule.signing?.kind === 'oauth'
    const tested = isOauth ? untested : await deeds.test(await work(member), held(name, version))
    const asks = tested.kind === 'untested' && options.isByTokens(name)
    await take(member, asks ? await options.prove({ name, version }) : tested)
    return 0
  }

  const revoke = async (member: Member, deeds: Deeds, version: number): Promise<number> => {
    const { name, cycle } = member
    const key = { id: cycle.ids[version] ?? null, held: held(name, version) }
    const ended = await deeds.revoke(await work(member), key)
    const isUndone = cycle.phase === 'undoing' && ended.kind !== 'not-revoked'
    await take(member, isUndone ? { kind: 'undone', ended: ended.kind === 'revoked' } : ended)
    return 0
  }
  return { mint, look, test, revoke }
}
