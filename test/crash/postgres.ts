/**
 * A paying swarm whose record is a PostgreSQL server that fails: the answer to a COMMIT is cut (the server has it, the
 * sitter never hears), or the server dies without a checkpoint and comes back. Each cut ends a sitter, since nobody
 * knows what was written, and the next one reads. The provider's log and the rows of the database are the judges.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { between, type Random } from '../../src/std/std.ts'
import { startProxy, startServer, type PostgresServer, type Proxy } from '../store/server.ts'
import { judge, type Verdict } from './judge.ts'
import { readingServer } from './reading.ts'
import { endOf, prepare, sitter } from './swarm.ts'

interface Faults {
  /** Answers to a COMMIT that are cut. */
  readonly cuts: number
  /** Times that the server is stopped at once, as `pg_ctl stop -m immediate`. */
  readonly crashes: number
  readonly random: Random
}

/** Every other life of the sitter is longer than the watch's proof of 10 s, else it starts it ever more slowly. */
const pauseMs = ({ random }: Faults, fault: number): number =>
  fault % 2 === 0 ? between(random, 300, 4_000) : between(random, 10_500, 12_000)
/** A sitter that has committed so often has work under way, and does not die of a fault while it starts. */
const busyAfterCommits = 20
/** Payments for each fault, at the rate below: work is under way until the last one. */
const rowsEach = 150
const rate = '20/s'

/** Cuts the next COMMIT's answer; true when there was one to cut. */
const cutOne = async (proxy: Proxy): Promise<boolean> => {
  let cut = false
  proxy.onSend = (bytes) => {
    if (cut || !bytes.includes('COMMIT\0')) return false
    cut = true
    return true
  }
  for (let waitedMs = 0; !cut && waitedMs < 30_000; waitedMs += 10) await wait(10)
  proxy.onSend = () => false
  return cut
}

/** A swarm that commits so little in this time does not get on, and is judged as it stands. */
const noWorkMs = 300_000

/** True when so much work has gone on since; false when the run is over, or nothing goes on. */
const works = async (proxy: Proxy, isOver: () => boolean): Promise<boolean> => {
  let commits = 0
  proxy.onSend = (bytes) => {
    if (bytes.includes('COMMIT\0')) commits += 1
    return false
  }
  for (let waitedMs = 0; commits < busyAfterCommits; waitedMs += 10) {
    if (isOver() || waitedMs > noWorkMs) return false
    await wait(10)
  }
  return true
}

const breakThings = async (
  faults: Faults,
  { server, proxy, isOver }: { server: PostgresServer; proxy: Proxy; isOver: () => boolean },
): Promise<{ readonly cut: number; readonly crashed: number }> => {
  const { cuts, crashes, random } = faults
  const done = { cut: 0, crashed: 0 }
  while (done.cut < cuts || done.crashed < crashes) {
    if (!(await works(proxy, isOver))) break
    await wait(pauseMs(faults, done.cut + done.crashed))
    const crash = done.crashed < crashes && (done.cut >= cuts || between(random, 1, cuts + crashes) <= crashes)
    if (crash) {
      await server.crash()
      await wait(between(random, 0, 1_000))
      await server.start()
      done.crashed += 1
    } else if (await cutOne(proxy)) done.cut += 1
  }
  return done
}

const check = (title: string, holds: boolean, wrong: string): Verdict => ({ title, wrong: holds ? [] : [wrong] })

export const onPostgres = async (directory: string, faults: Faults): Promise<Verdict[]> => {
  const server = await startServer()
  const proxy = await startProxy(server.port)
  try {
    const url = await server.database(proxy.port)
    const direct = url.replace(`:${proxy.port}/`, `:${server.port}/`)
    const rows = (faults.cuts + faults.crashes) * rowsEach
    const place = await prepare({
      directory,
      agents: 100,
      rows,
      rate,
      store: url,
      faults: { acceptThenCut: 0.05, limited: 0.02, decline: 0.01, error: 0.01 },
    })
    const up = ['up', place.config, '--settle', place.file, '--exit-when-idle'] as const
    const run = sitter(place, ...up)
    let over = false
    void run.ended.then(() => {
      over = true
    })
    const done = await breakThings(faults, { server, proxy, isOver: () => over })
    const code = await endOf(run)
    if (code === 'stuck') process.kill(-run.pid, 'SIGKILL')
    if (code !== 0) console.log(run.output().slice(-3_000))
    const second = code === 0 ? await sitter(place, ...up).ended : 'not tried'
    console.log(`  ${done.cut} COMMITs were cut, the server crashed ${done.crashed} times`)
    return [
      check(
        `${faults.cuts} answers to a COMMIT were cut and the server crashed ${faults.crashes} times while it worked`,
        done.cut === faults.cuts && done.crashed === faults.crashes,
        JSON.stringify(done),
      ),
      check('up --exit-when-idle ended with 0 on PostgreSQL', code === 0, `it ended with ${code}`),
      check('a second up pays nothing and ends with 0', second === 0, `it ended with ${second}`),
      ...(await judge(place, { rows }, readingServer(server, direct))),
    ]
  } finally {
    await proxy.close()
    await server.stop()
  }
}
