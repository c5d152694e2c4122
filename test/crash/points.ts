/**
 * One payment, killed at each of its system calls: the sitter, then the gate, dies by SIGKILL at its N-th fsync (and at
 * every few pwrite64) after the payment was asked for, N = 1, 2, … until the payment ends without the kill. Each has
 * its own reference; the judge counts what the provider accepted.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { ask as askApi } from '../storage/api.ts'
import { cannotTrace, injectFault } from '../storage/strace.ts'
import { judge, type Verdict } from './judge.ts'
import { isThere, programOf } from './machine.ts'
import { prepare, sitter, type Place, type Run } from './swarm.ts'

type Role = 'sitter' | 'gate'

/** A program that dies within 10 s of its start is started again ever more slowly; a new watch begins anew. */
const killsAWatch = 4
const paidWithinMs = 30_000
/** Far beyond what one payment takes (measured: 6 fsyncs and some 97 writes in the sitter, 4 and 17 in the gate): then something is wrong. */
const mostPoints = 400

const until = async (what: string, truth: () => boolean | Promise<boolean>, mostMs = 60_000): Promise<void> => {
  const startedMs = performance.now()
  while (!(await truth())) {
    if (performance.now() - startedMs > mostMs) throw new Error(`not within ${mostMs} ms: ${what}`)
    await wait(50)
  }
}

/** Whether the task of this reference has succeeded, read from the file itself. */
const isPaid = (place: Place, reference: string): boolean => {
  // A sitter that begins anew holds the file for itself while it reads the journal of the killed one.
  const record = new DatabaseSync(join(place.data, 'swarm.db'), { readOnly: true, timeout: 10_000 })
  try {
    return (
      record
        .prepare(
          `SELECT 1 FROM settlements JOIN tasks ON tasks.id = settlements.task
           WHERE settlements.reference = ? AND settlements.state = 'settled' AND tasks.state = 'succeeded'`,
        )
        .get(reference) !== undefined
    )
  } finally {
    record.close()
  }
}

/** Asks for one payment, again for as long as nobody answers: the same reference is the same payment. */
const ask = async (place: Place, reference: string): Promise<void> => {
  const file = join(place.data, '..', `${reference}.csv`)
  writeFileSync(file, `reference,payee,amount,currency\n${reference},Payee,12.34,XTS\n`)
  for (let tries = 0; tries < 50; tries += 1) {
    const code = await sitter(place, 'settle', file, '--yes').ended
    if (code === 0) return
    await wait(200)
  }
  throw new Error(`${reference} was not taken in`)
}

class Swarm {
  readonly place: Place
  #run: Run | undefined
  #kills = 0

  constructor(place: Place) {
    this.place = place
  }

  /** A running swarm whose programs have not died often. */
  async ready(): Promise<void> {
    if (this.#run !== undefined && this.#kills < killsAWatch) return
    await this.stop()
    this.#kills = 0
    this.#run = sitter(this.place, 'up', this.place.config)
    const run = this.#run
    await Promise.race([
      // Its own start asks the sitter too: only then does the killing begin.
      until('the swarm is up', () => run.output().includes('2/2 ready')),
      run.ended.then((code) => {
        throw new Error(`up ended with ${code}: ${run.output()}`)
      }),
    ])
  }

  /** One payment with the kill at point `at`; false when it ended without it. */
  async pay(role: Role, calls: string, at: number): Promise<boolean> {
    await this.ready()
    await until(`the ${role} is there`, () => programOf(role, this.place.data) !== undefined)
    const victim = programOf(role, this.place.data)!
    const fault = await injectFault(victim.pid, `${calls}:signal=KILL:when=${at}`)
    let killed = false
    void fault.over.then(() => {
      killed = true
    })
    const reference = `P-${role}-${calls.slice(0, 2)}-${at}`
    // strace does not always let go of what it has killed; the watch would wait for that body.
    const burial = setInterval(() => {
      if (!killed && !isThere(victim)) void fault.stop()
    }, 200)
    try {
      await ask(this.place, reference)
      await until(`${reference} is paid`, () => isPaid(this.place, reference), paidWithinMs)
      // The file shows a commit before its flush; an answer comes after it. Until then the kill may still be to come.
      await until('the sitter answers', async () => (await askApi(this.place, '/api/v1/settlements')) !== 'lost')
    } finally {
      clearInterval(burial)
      if (!killed) await fault.stop()
    }
    if (!isThere(victim)) this.#kills += 1
    return programOf(role, this.place.data)?.pid !== victim.pid
  }

  async stop(): Promise<void> {
    if (this.#run === undefined) return
    const run = this.#run
    this.#run = undefined
    try {
      process.kill(run.pid, 'SIGTERM')
    } catch {
      throw new Error(`up has ended by itself: ${run.output()}`)
    }
    await run.ended
  }
}

/** `stride`: of the writes, every how manyth is a point; of the fsyncs each is. */
export const atEveryPoint = async (directory: string, stride: number): Promise<Verdict[]> => {
  if (cannotTrace !== undefined) return [{ title: 'kills at every fsync were made', wrong: [cannotTrace] }]
  const place = await prepare({ directory, agents: 2, rows: 1, faults: {} })
  const swarm = new Swarm(place)
  const reached: string[] = []
  let paid = 0
  try {
    for (const role of ['sitter', 'gate'] as const) {
      for (const [calls, step] of [
        ['fsync,fdatasync', 1],
        ['pwrite64', stride],
      ] as const) {
        let at = 1
        for (; at < mostPoints; at += step) {
          paid += 1
          if (!(await swarm.pay(role, calls, at))) break
        }
        reached.push(`${role} ${calls} ${at - step}`)
        console.log(`  ${role} killed at its ${calls} up to number ${at - step}`)
      }
    }
  } finally {
    await swarm.stop()
  }
  console.log(`  ${paid} payments`)
  return [
    {
      title: 'sitter and gate were each killed at several fsyncs of a payment',
      wrong: reached.filter((one) => one.includes('fsync') && Number(one.split(' ').at(-1)) < 2),
    },
    ...(await judge(place, { rows: paid })),
  ]
}
