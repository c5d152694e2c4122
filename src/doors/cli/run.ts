/**
 * A run of a started swarm: the file in, progress while it works, checks and report at its end, then serving until
 * told to stop.
 */
import { sleep } from '../../std/std.ts'
import type { AuditVerdict, BatchAnswer, BatchDescription, LedgerCheck, SwarmView } from '../api.ts'
import { openApi, type Api } from './client.ts'
import { exitOf, judgeRun, troubleText, type Checked, type Judgement } from './judgement.ts'
import { makeLive, type Live } from './live.ts'
import { batchName, batchSentence, sendBatch } from './money.ts'
import { monitorSwarm, type Monitor } from './monitor.ts'
import { isRunOver, liveLines, plainProgress, progressOf, type Sample } from './progress.ts'
import { explain } from './refusal.ts'
import { reportLines, type Run } from './report.ts'
import type { Watching } from './surroundings.ts'
import { at, plain } from './text.ts'
import type { Invocation } from './verb.ts'

export type RunEnd =
  | { readonly kind: 'interrupt' | 'terminate' | 'stopped' }
  | { readonly kind: 'failed' | 'refused'; readonly error: unknown }
  | { readonly kind: 'over'; readonly judgement: Judgement }

export interface RunAsk {
  readonly invocation: Invocation
  readonly watching: Watching
  readonly file: { readonly name: string; readonly text: string } | null
  readonly stopAsked: Promise<'interrupt' | 'terminate'>
}

const showEveryMs = 250
const retryEveryMs = 500
/** A sitter that is restarted answers again within seconds; a minute is no restart any more. */
const retryForMs = 60_000

/** Repeats what may be repeated while nobody answers, for at most a minute. */
const patiently = async <Value>(
  { world }: Invocation,
  signal: AbortSignal,
  ask: () => Promise<Value>,
): Promise<Value> => {
  const begunMs = world.clock.monoMs()
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const { code } = explain(error)
      const passing = code === 'no-sitter' || code === 'timed-out' || code === 'overloaded' || code === 'record-closed'
      if (!passing || signal.aborted || world.clock.monoMs() - begunMs > retryForMs) throw error
      await sleep(world.clock, retryEveryMs, signal)
    }
  }
}

const checked = async <Value>(ask: () => Promise<Value>): Promise<Checked<Value>> => {
  try {
    return await ask()
  } catch (error) {
    return { unchecked: explain(error).what }
  }
}

/**
 * Lines of the watch a second beyond which they are only counted: a swarm that falls apart must not flood the
 * terminal.
 */
const mostLinesASecond = 20

const tellEvents = ({ world, printer }: Invocation, watching: Watching, live: Live): void => {
  let second = 0
  let told = 0
  let hidden = 0
  watching.onEvent((line) => {
    if (printer.quiet && line.level === 'info') return
    const now = Math.floor(world.clock.monoMs() / 1_000)
    if (now !== second) {
      if (hidden > 0) live.message(`… and ${hidden} more lines: sitter events`)
      second = now
      told = 0
      hidden = 0
    }
    told += 1
    if (told > mostLinesASecond) hidden += 1
    else live.message(`${at(line.at)}  ${line.level.padEnd(5)}  ${plain(line.message)}`)
  })
}

/** A cause that went and came again within this time is not told again. */
const troubleForMs = 600_000

/** Says once for each type and cause why agents do not work. */
const troubleTeller = ({ world }: Invocation, live: Live): ((view: SwarmView) => void) => {
  const told = new Map<string, number>()
  return ({ fleet }) => {
    const nowMs = world.clock.monoMs()
    for (const trouble of fleet.troubles) {
      const key = JSON.stringify([trouble.type, trouble.cause])
      const before = told.get(key)
      told.set(key, nowMs)
      if (before !== undefined && nowMs - before < troubleForMs) continue
      live.message(
        `${at(world.clock.wallMs())}  error  ${troubleText(trouble)} (sitter inbox, sitter describe ${trouble.agent})`,
      )
    }
    for (const [key, atMs] of told) if (nowMs - atMs >= troubleForMs) told.delete(key)
  }
}

const showLoop = async (ask: RunAsk, monitor: Monitor, live: Live, signal: AbortSignal): Promise<void> => {
  const { world, printer } = ask.invocation
  const begunMs = world.clock.monoMs()
  const tellTroubles = troubleTeller(ask.invocation, live)
  while (!signal.aborted) {
    if (monitor.samples.length > 0) {
      tellTroubles(monitor.samples.at(-1)!.view)
      const progress = progressOf(monitor.samples, ask.file !== null)
      const freshness = monitor.freshness()
      const { sitterRestarts } = monitor
      const around = {
        freshness,
        sitterRestarts,
        ranMs: world.clock.monoMs() - begunMs,
        loginUrl: ask.watching.loginUrl,
        columns: world.stderr.columns(),
      }
      live.show(liveLines(progress, around, printer.paintMessage), plainProgress(progress, freshness, sitterRestarts))
    }
    await sleep(world.clock, showEveryMs, signal)
  }
}

const isFresh = (sample: Sample, over: Sample): boolean => sample.view.figuresMs >= over.view.nowMs

/** The last sample with figures no older than the end of the run (the sitter keeps the costly ones for a while). */
const finalSample = async (ask: RunAsk, monitor: Monitor, over: Sample, signal: AbortSignal): Promise<Sample> => {
  const { clock } = ask.invocation.world
  const begunMs = clock.monoMs()
  let sample = over
  while (!isFresh(sample, over) && !signal.aborted && clock.monoMs() - begunMs < retryForMs) {
    await sleep(clock, retryEveryMs, signal)
    sample = await patiently(ask.invocation, signal, () => monitor.read())
  }
  return sample
}

const checkWithinMs = 120_000

const endOfRun = async (ask: RunAsk, api: () => Api, signal: AbortSignal): Promise<Pick<Run, 'ledger' | 'audit'>> => ({
  ledger: await checked(() =>
    patiently(ask.invocation, signal, () => api().get<LedgerCheck>('/api/v1/ledger/check', {}, checkWithinMs)),
  ),
  audit: await checked(() =>
    patiently(ask.invocation, signal, () => api().get<AuditVerdict>('/api/v1/audit/verify', {}, checkWithinMs)),
  ),
})

/** What `up --json` prints when the work is over. */
export interface RunReport {
  readonly answer: BatchAnswer | null
  readonly batch: BatchDescription | null
  readonly swarm: SwarmView
  readonly ledger: LedgerCheck | { readonly unchecked: string }
  readonly audit: AuditVerdict | { readonly unchecked: string }
  readonly judgement: Judgement
  readonly exit: number
  readonly ranMs: number
  readonly sitterRestarts: number
}

const printReport = ({ printer }: Invocation, run: Run): void => {
  const { answer, batch, view, ledger, audit, judgement, ranMs, sitterRestarts } = run
  const exit = exitOf(judgement)
  const report: RunReport = { answer, batch, swarm: view, ledger, audit, judgement, exit, ranMs, sitterRestarts }
  printer.show(report, () => reportLines(run, printer.paint))
}

/** The work of a run: resolves with its judgement when it is over. */
const work = async (ask: RunAsk, monitor: Monitor, live: Live, signal: AbortSignal): Promise<RunEnd> => {
  const { invocation, watching, file } = ask
  const { world, options, printer } = invocation
  const begunMs = world.clock.monoMs()
  const api = (): Api => openApi(world, { url: new URL(watching.apiUrl).origin, token: watching.token }, signal)
  let answer: BatchAnswer | null = null
  if (file !== null) {
    try {
      // Taken once however often it is sent: the sitter knows a file by its content.
      answer = await patiently(invocation, signal, () => sendBatch(api(), file, {}))
    } catch (error) {
      return { kind: 'refused', error }
    }
    monitor.follow(batchName(answer))
    if (!printer.quiet) live.message(batchSentence(answer, false))
  }
  const exits = options.flag('exitWhenIdle')
  // To end, nothing may be left that can advance; to report, the file's own rows are enough.
  const isOver = (sample: Sample): boolean => (exits ? sample.view.idle : isRunOver(sample))
  // Without a file and without an end there is nothing to report on: it serves.
  while ((file !== null || exits) && !signal.aborted) {
    const last = monitor.samples.at(-1)
    const isOfBatch = answer === null || last?.batch?.id === answer.id
    if (last !== undefined && isOfBatch && monitor.freshness().kind === 'live' && isOver(last)) {
      const sample = await finalSample(ask, monitor, last, signal)
      // Kept figures may say idle from before the file was taken: only fresh ones are believed.
      if (!isFresh(sample, last) || !isOver(sample)) continue
      const checks = await endOfRun(ask, api, signal)
      if (signal.aborted) break
      live.end()
      const judgement = judgeRun(sample.view, checks.ledger, checks.audit)
      const ranMs = world.clock.monoMs() - begunMs
      printReport(invocation, {
        answer,
        fileName: file?.name ?? null,
        batch: sample.batch,
        view: sample.view,
        ...checks,
        judgement,
        ranMs,
        sitterRestarts: monitor.sitterRestarts,
      })
      if (exits) return { kind: 'over', judgement }
      printer.note(`\nserving on; dashboard ${watching.loginUrl}\nCtrl-C stops`)
      break
    }
    await sleep(world.clock, showEveryMs, signal)
  }
  return new Promise(() => {
    /* serves until somebody stops it */
  })
}

/** Runs until the work is over (with --exit-when-idle), somebody stops it, or it cannot be kept up. */
export const runSwarm = async (ask: RunAsk): Promise<RunEnd> => {
  const {
    invocation: { world, printer },
    watching,
  } = ask
  const over = new AbortController()
  const live = makeLive(world, printer.quiet)
  const monitor = monitorSwarm(world, () =>
    openApi(world, { url: new URL(watching.apiUrl).origin, token: watching.token }, over.signal),
  )
  tellEvents(ask.invocation, watching, live)
  const failed = watching.failed.then((error): RunEnd => ({ kind: 'failed', error }))
  const stopped = watching.stopped?.then((): RunEnd => ({ kind: 'stopped' })) ?? new Promise<RunEnd>(() => {})
  const asked = ask.stopAsked.then((kind): RunEnd => ({ kind }))
  const watched = monitor.run(over.signal).then(
    () => new Promise<RunEnd>(() => {}),
    (error: unknown): RunEnd => ({ kind: 'failed', error }),
  )
  const shown = showLoop(ask, monitor, live, over.signal)
  try {
    return await Promise.race([work(ask, monitor, live, over.signal), failed, stopped, asked, watched])
  } finally {
    live.end()
    over.abort()
    await shown
  }
}
