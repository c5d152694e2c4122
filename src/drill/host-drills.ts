/** Drills that harm no agent but what all of them stand on: the machine's clock, and the record's file. */
import { sleep } from '../std/std.ts'
import { processesOf } from './machine.ts'
import { doubles, haveEnded, newestSeq, pay, recoverWithinMs, slackMs, type Drill } from './paying.ts'
import { check, reportOf, type Check } from './report.ts'
import type { EventSeen, Scratch } from './scratch.ts'

const lostSince = async (scratch: Scratch, sinceSeq: number): Promise<number> =>
  (await scratch.events()).filter(({ seq, kind }) => seq > sinceSeq && kind === 'cell.lost').length

const sitterOf = (scratch: Scratch): number | undefined => {
  const all = processesOf(scratch.data).filter(({ command }) => command.includes('_sitter'))
  return all.length === 1 ? all[0]!.pid : undefined
}

const livedOn = (scratch: Scratch, before: number | undefined): Check => {
  const after = sitterOf(scratch)
  return check('the sitter lived on', before !== undefined && before === after, `pid ${before}, then ${after}`)
}

const jumpMs = 2 * 3_600_000
/** The sitter compares both clocks every 5 s. */
const lookedAtEveryMs = 5_000
/** Two clocks that are read one after the other on a busy machine. */
const sameMs = 10_000

/** The swarm's word that its machine's clock went that far. */
const saysJump =
  (sinceSeq: number, byMs: number) =>
  ({ seq, kind, facts }: EventSeen): boolean =>
    seq > sinceSeq && kind === 'clock.jumped' && Math.abs(Number(facts['byMs']) - byMs) < sameMs

/** Work is given before each jump and after it; all of it must end, and nobody be ended for the time that never was. */
export const clockJump: Drill = {
  name: 'clock-jump',
  what: 'the clock on the wall is set two hours ahead, and back again',
  run: async (scratch) => {
    const { clock } = scratch
    await scratch.until('all canaries are free', () => scratch.isWhole(), recoverWithinMs)
    const sinceSeq = await newestSeq(scratch)
    const before = sitterOf(scratch)
    const beginMs = clock.monoMs()
    /** How far the swarm's own time is from ours, who were not set. */
    const nowMs = async (): Promise<number> => Number((await scratch.api('swarm'))['nowMs'])
    const offOf = async (): Promise<number> => ((await scratch.seen(nowMs, slackMs)) ?? NaN) - clock.wallMs()
    const offMs = await offOf()
    const tasks: string[] = []
    const foundMs: (number | null)[] = []
    const moved: Check[] = []
    for (const [toMs, byMs] of [
      [jumpMs, jumpMs],
      [0, -jumpMs],
    ] as const) {
      tasks.push(...(await pay(scratch, `jump-${toMs}`, 6)))
      const [beforeSeq, fromMs] = [await newestSeq(scratch), clock.monoMs()]
      scratch.setClock(toMs)
      const word = await scratch.seen(
        async () => (await scratch.events()).find(saysJump(beforeSeq, byMs)),
        lookedAtEveryMs + 2 * slackMs,
      )
      foundMs.push(word === null ? null : Math.round(clock.monoMs() - fromMs))
      const byNowMs = Math.abs((await offOf()) - offMs)
      moved.push(check('what is due did not move by it', byNowMs < sameMs, `the swarm's time by ${byNowMs} ms`))
      tasks.push(...(await pay(scratch, `jumped-${toMs}`, 6)))
      await scratch.seen(() => haveEnded(scratch, tasks), recoverWithinMs)
    }
    const whole = await scratch.seen(
      async () => (await haveEnded(scratch, tasks)) && (await scratch.isWhole()),
      recoverWithinMs,
    )
    return reportOf({
      name: clockJump.name,
      what: clockJump.what,
      // The slower of both; one that was not found is not found.
      detectMs: foundMs.some((ms) => ms === null) ? null : Math.max(...foundMs.map(Number)),
      detectWithinMs: lookedAtEveryMs + slackMs,
      recoverMs: whole === null ? null : Math.round(clock.monoMs() - beginMs),
      recoverWithinMs,
      falseKills: await lostSince(scratch, sinceSeq),
      doubleEffects: doubles(scratch),
      leftovers: [],
      more: [...moved, livedOn(scratch, before)],
    })
  },
}

const lockedMs = 3_000

/**
 * Somebody else writes to the record's file and does not end: a copy by hand, a tool that was left open. So short a
 * lock is nothing that a swarm has to tell of: what is seen of it is that answers wait.
 */
export const recordLocked: Drill = {
  name: 'record-locked',
  what: 'another program holds the record locked for 3 s',
  run: async (scratch) => {
    const { clock } = scratch
    await scratch.until('all canaries are free', () => scratch.isWhole(), recoverWithinMs)
    const sinceSeq = await newestSeq(scratch)
    const before = sitterOf(scratch)
    const fromMs = clock.monoMs()
    const release = scratch.lockRecord()
    let answered = 0
    let early = 0
    let tasks: readonly string[] = []
    try {
      const paying = pay(scratch, 'locked', undefined, () => (answered += 1)).catch(() => [])
      await sleep(clock, lockedMs - (clock.monoMs() - fromMs))
      early = answered
      release?.()
      tasks = await paying
    } finally {
      release?.()
    }
    if (tasks.length === 0) tasks = (await scratch.seen(() => pay(scratch, 'locked-again'), recoverWithinMs)) ?? []
    const whole = await scratch.seen(
      async () => tasks.length > 0 && (await haveEnded(scratch, tasks)) && (await scratch.isWhole()),
      recoverWithinMs,
    )
    return reportOf({
      name: recordLocked.name,
      what: recordLocked.what,
      detectMs: null,
      detectWithinMs: null,
      recoverMs: whole === null ? null : Math.round(clock.monoMs() - fromMs),
      recoverWithinMs,
      falseKills: await lostSince(scratch, sinceSeq),
      doubleEffects: doubles(scratch),
      leftovers: [],
      more: [
        check('the record was locked', release !== null, release === null ? 'it could not be' : `${lockedMs} ms`),
        check('nothing was taken in before it could be written', early === 0, `${early} answers while it was locked`),
        livedOn(scratch, before),
      ],
    })
  },
}
