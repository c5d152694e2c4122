/**
 * The fire drills. Each does one harm to a scratch swarm that is paying meanwhile, and measures from outside: when the
 * swarm said a word about it, when it was whole again, whom else it ended, what the bank accepted twice.
 */
import { sleep } from '../std/std.ts'
import type { Harm } from './canary.ts'
import { clockJump, recordLocked } from './host-drills.ts'
import { isThere, signal, withChildren } from './machine.ts'
import { doubles, haveEnded, newestSeq, pay, recoverWithinMs, slackMs, type Drill } from './paying.ts'
import { check, reportOf, type DrillReport, type Found } from './report.ts'
import { beatMs, stuckAfterMs, type CanarySeen, type EventSeen, type Scratch } from './scratch.ts'

/** The first event after this one that says a word about the harm. */
const firstWord = async (
  scratch: Scratch,
  sinceSeq: number,
  isAbout: (event: EventSeen) => boolean,
): Promise<EventSeen | undefined> =>
  (await scratch.events()).toReversed().find((event) => event.seq > sinceSeq && isAbout(event))

interface Harmed {
  readonly name: string
  readonly what: string
  /** Does it to the canary's cell, or gives the task that does. */
  readonly harm: (victim: CanarySeen) => Promise<unknown>
  readonly isAbout: (event: EventSeen, cell: string) => boolean
  readonly detectWithinMs: number
}

/** Harm, detection, recovery, and what is left of it. */
const measured = async (scratch: Scratch, ask: Harmed): Promise<DrillReport> => {
  const { clock } = scratch
  await scratch.until('all canaries are free', () => scratch.isWhole(), recoverWithinMs)
  const canaries = await scratch.canaries()
  const victim = canaries[0]!
  const cell = victim.cell!
  const trees = new Map(canaries.map((one) => [one.cell!.id, withChildren(one.cell!)]))
  const sinceSeq = await newestSeq(scratch)
  const tasks = [...(await pay(scratch, ask.name))]
  const fromMs = clock.monoMs()
  const given = await ask.harm(victim)
  if (typeof given === 'string') tasks.push(given)
  const word = await scratch.seen(
    () => firstWord(scratch, sinceSeq, (event) => ask.isAbout(event, cell.id)),
    ask.detectWithinMs + 10_000,
  )
  const detectMs = word === null ? null : clock.monoMs() - fromMs
  const whole = await scratch.seen(
    async () => (await haveEnded(scratch, tasks)) && (await scratch.isWhole()),
    recoverWithinMs,
  )
  const recoverMs = whole === null ? null : clock.monoMs() - fromMs
  const lost = (await scratch.events()).filter(({ seq, kind }) => seq > sinceSeq && kind === 'cell.lost')
  const isVictim = ({ subject }: EventSeen): boolean => isHarmed(lost, cell.id, subject)
  // Whatever was lost must be gone, walls and all.
  const ended = lost.flatMap(({ subject }) => trees.get(subject) ?? [])
  const found: Found = {
    name: ask.name,
    what: ask.what,
    detectMs: detectMs === null ? null : Math.round(detectMs),
    detectWithinMs: ask.detectWithinMs,
    recoverMs: recoverMs === null ? null : Math.round(recoverMs),
    recoverWithinMs,
    falseKills: lost.filter((event) => !isVictim(event)).length,
    doubleEffects: doubles(scratch),
    leftovers: ended.filter(isThere).map(({ pid, command }) => `${pid} ${command.slice(0, 80)}`),
  }
  return reportOf(found)
}

/** The cell that was harmed is the first that was lost: a task that harms may have been given to another one. */
const isHarmed = (lost: readonly EventSeen[], cell: string, subject: string): boolean => {
  const first = lost.at(-1)?.subject ?? cell
  return subject === cell || (subject === first && !lost.some((one) => one.subject === cell))
}

const ofCell = (...kinds: readonly string[]) => {
  const all = new Set(kinds)
  return ({ kind, subject }: EventSeen, cell: string): boolean => all.has(kind) && subject === cell
}
const ofAny = (...kinds: readonly string[]) => {
  const all = new Set(kinds)
  return ({ kind }: EventSeen): boolean => all.has(kind)
}

const toProcess = (name: string, what: string, sign: 'SIGKILL' | 'SIGSTOP', detectWithinMs: number): Drill => ({
  name,
  what,
  run: (scratch) =>
    measured(scratch, {
      name,
      what,
      harm: async ({ cell }) => signal(withChildren(cell!), sign),
      isAbout: ofCell('cell.silent', 'cell.lost'),
      detectWithinMs,
    }),
})

const byTask = (name: Harm, what: string, isAbout: Harmed['isAbout'], detectWithinMs: number): Drill => ({
  name,
  what,
  run: (scratch) =>
    measured(scratch, {
      name,
      what,
      harm: () => scratch.submit('harm', { harm: name }, `${name}-${scratch.clock.wallMs()}`),
      isAbout,
      detectWithinMs,
    }),
})

/** For three seconds each request gets a 429 that asks for one second of silence. */
const stormMs = 3_000
const storm: Drill = {
  name: 'storm',
  what: 'the provider answers nothing but 429 for 3 s',
  run: async (scratch) => {
    const { clock } = scratch
    const limitedBefore = scratch.bankLog().filter(({ kind }) => kind === 'limited').length
    const what = storm.what
    await scratch.until('all canaries are free', () => scratch.isWhole(), recoverWithinMs)
    const sinceSeq = await newestSeq(scratch)
    await scratch.faults({ limited: 1 })
    const fromMs = clock.monoMs()
    const tasks = await pay(scratch, 'storm')
    const isPaused = async (): Promise<boolean> => {
      const { items = [] } = await scratch.api('upstreams')
      const pauses = items.flatMap(({ paused: all }) => all as readonly { readonly untilMs: number }[])
      return pauses.some(({ untilMs }) => untilMs > clock.wallMs())
    }
    const paused = await scratch.seen(isPaused, 10_000)
    const detectMs = paused === null ? null : Math.round(clock.monoMs() - fromMs)
    await sleep(clock, stormMs)
    await scratch.faults({})
    const whole = await scratch.seen(
      async () => (await haveEnded(scratch, tasks)) && (await scratch.isWhole()),
      recoverWithinMs,
    )
    const limited = scratch
      .bankLog()
      .filter(({ kind }) => kind === 'limited')
      .slice(limitedBefore)
    const gaps = limited.slice(1).map(({ at }, index) => at - limited[index]!.at)
    // What was on the wire together with the first 429 may still arrive; after that there is silence for a second.
    const early = gaps.filter((gapMs) => gapMs > 250 && gapMs < 950).length
    return reportOf({
      name: storm.name,
      what,
      detectMs,
      detectWithinMs: slackMs,
      recoverMs: whole === null ? null : Math.round(clock.monoMs() - fromMs),
      recoverWithinMs,
      falseKills: (await scratch.events()).filter(({ seq, kind }) => seq > sinceSeq && kind === 'cell.lost').length,
      doubleEffects: doubles(scratch),
      leftovers: [],
      more: [
        check('the storm was met', limited.length > 0, `${limited.length} answers of 429`),
        check('nobody asked again within the second', early === 0, `${early} of ${gaps.length}`),
      ],
    })
  },
}

const lostAnswer: Drill = {
  name: 'lost-answer',
  what: 'the provider accepts each payment and hangs up before it answers',
  run: async (scratch) => {
    const { clock } = scratch
    const { what } = lostAnswer
    await scratch.until('all canaries are free', () => scratch.isWhole(), recoverWithinMs)
    const sinceSeq = await newestSeq(scratch)
    await scratch.faults({ acceptThenCut: 1 })
    const fromMs = clock.monoMs()
    const tasks = await pay(scratch, 'lost', 4)
    const isUnknown = async (): Promise<boolean> =>
      ((await scratch.api('settlements?state=unknown&limit=10')).items?.length ?? 0) > 0
    const unknown = await scratch.seen(isUnknown, 20_000)
    const detectMs = unknown === null ? null : Math.round(clock.monoMs() - fromMs)
    const whole = await scratch.seen(
      async () => (await haveEnded(scratch, tasks)) && (await scratch.isWhole()),
      recoverWithinMs,
    )
    const recoverMs = whole === null ? null : Math.round(clock.monoMs() - fromMs)
    await scratch.faults({})
    const accepted = scratch
      .bankLog()
      .filter(({ kind, reference }) => kind === 'accepted' && reference?.startsWith('lost-'))
    return reportOf({
      name: lostAnswer.name,
      what,
      detectMs,
      detectWithinMs: slackMs + 3_000,
      recoverMs,
      recoverWithinMs,
      falseKills: (await scratch.events()).filter(({ seq, kind }) => seq > sinceSeq && kind === 'cell.lost').length,
      doubleEffects: doubles(scratch),
      leftovers: [],
      more: [check('each was accepted once', accepted.length >= tasks.length, `${accepted.length} accepted`)],
    })
  },
}

export const drills: readonly Drill[] = [
  toProcess('kill', 'a host of agents is ended by SIGKILL', 'SIGKILL', slackMs),
  toProcess('stop', 'a host of agents is stopped by SIGSTOP', 'SIGSTOP', 3 * beatMs + slackMs),
  byTask('loop', 'an agent holds its loop for ever', ofAny('cell.silent', 'cell.lost'), 3 * beatMs + slackMs + 1_000),
  byTask('leak', 'an agent fills the memory of its host', ofAny('cell.lost', 'cell.recycling'), 30_000),
  byTask(
    'silence',
    'an agent neither ends its work nor hears',
    ofAny('attempt.cancelled'),
    stuckAfterMs + beatMs + slackMs,
  ),
  storm,
  lostAnswer,
  clockJump,
  recordLocked,
]
