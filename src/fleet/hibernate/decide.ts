/**
 * Who is woken when, and who may sleep: pure. Work wakes no more agents than there are tasks that nobody else is about
 * to take; a bucket keeps storms of wakes off the sitter's loop, and its tokens are dealt out to the types in turn.
 */

export interface Waiting {
  /** Tasks that wait for an agent of the type. */
  readonly waiting: number
  readonly free: number
  /** Starting, or waiting for a restart: each will take a task. */
  readonly onTheWay: number
  readonly asleep: number
  /** All that are not asleep and not stopped. */
  readonly awake: number
  readonly mostAwake: number
  readonly quarantined: number
  /** Idle or busy: proof that the type's program works at all. */
  readonly working: number
}

/**
 * So many woken agents in quarantine, while none works, and no other is tried: their program is broken, and fifty
 * thousand would follow them.
 */
export const quarantinedBefore = 3

export const isHopeless = ({ quarantined, working }: Pick<Waiting, 'quarantined' | 'working'>): boolean =>
  quarantined >= quarantinedBefore && working === 0

export const wakesWanted = (look: Waiting): number => {
  if (isHopeless(look)) return 0
  const { waiting, free, onTheWay, asleep, awake, mostAwake } = look
  return Math.max(0, Math.min(waiting - free - onTheWay, asleep, mostAwake - awake))
}

/** Tokens that come back at so many a second; at most a second's worth lies in it. */
export interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

export const filled = ({ tokens, atMs }: Bucket, perSecond: number, nowMs: number): Bucket => ({
  tokens: Math.min(Math.max(1, perSecond), tokens + (Math.max(0, nowMs - atMs) * perSecond) / 1_000),
  atMs: nowMs,
})

/** Until there is a whole token. */
export const nextTokenMs = ({ tokens }: Bucket, perSecond: number): number =>
  Math.max(1, Math.ceil(((1 - Math.min(1, tokens)) * 1_000) / perSecond))

/** Deals whole tokens out, one each in turn, beginning with `first`: whoever wants little gets it all. */
export const dealt = (tokens: number, wants: readonly number[], first: number): readonly number[] => {
  const given = wants.map(() => 0)
  let left = Math.floor(tokens)
  let open = wants.filter((want) => want > 0).length
  for (let turn = 0; left > 0 && open > 0; turn += 1) {
    const one = (first + turn) % wants.length
    if (given[one]! >= wants[one]!) continue
    given[one]! += 1
    left -= 1
    if (given[one] === wants[one]) open -= 1
  }
  return given
}

export interface Rest {
  readonly isIdle: boolean
  readonly isTaken: boolean
  /** It is on its way somewhere: home, out of the configuration, to other settings. */
  readonly isMoving: boolean
  /** It has something to prove first: it lives apart, or its cell is on trial. */
  readonly isOnTrial: boolean
}
export const maySleep = ({ isIdle, isTaken, isMoving, isOnTrial }: Rest): boolean =>
  isIdle && !isTaken && !isMoving && !isOnTrial
