/**
 * `up`: starts the swarm, gives it the file, shows how far it is, reports, and stops it in order. The swarm itself is
 * the watch's; everything here is what a person sees of it.
 */
import { dirname, join } from 'node:path'
import { sleep } from '../../std/std.ts'
import { confirm } from './asking.ts'
import { detach } from './detach.ts'
import { exitOf } from './judgement.ts'
import { canRepaint } from './live.ts'
import { configFile, dataDirectoryFlag, namedDataDirectory } from './locate.ts'
import { readSettleFile } from './money.ts'
import { explain, printError } from './refusal.ts'
import { runSwarm, type RunEnd } from './run.ts'
import type { Surroundings, Watching } from './surroundings.ts'
import { duration, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

/** Who asked for the end, and how: Ctrl-C and SIGTERM stop in order, the second time at once. */
interface StopAsked {
  readonly first: Promise<'interrupt' | 'terminate'>
  readonly second: Promise<void>
  /** What SIGHUP means while the terminal is there. */
  onHangUp(reload: () => void): void
  forget(): void
}

const listenForStop = (world: Surroundings): StopAsked => {
  const first = Promise.withResolvers<'interrupt' | 'terminate'>()
  const second = Promise.withResolvers<void>()
  let asked = 0
  const ask = (how: 'interrupt' | 'terminate'): void => {
    asked += 1
    if (asked === 1) first.resolve(how)
    else second.resolve()
  }
  const cancels = [world.onSignal('SIGINT', () => ask('interrupt')), world.onSignal('SIGTERM', () => ask('terminate'))]
  const onHangUp = (reload: () => void): void => {
    cancels.push(world.onSignal('SIGHUP', () => (world.terminalGone() ? ask('terminate') : reload())))
  }
  return {
    first: first.promise,
    second: second.promise,
    onHangUp,
    forget: () => {
      for (const cancel of cancels) cancel()
    },
  }
}

const stopWithinMs = 30_000

/** Stops in order; a second Ctrl-C ends it at once. False when it had to be cut. */
const stopInOrder = async ({ world, printer }: Invocation, watching: Watching, asked: StopAsked): Promise<boolean> => {
  printer.note(`stopping: no new work, running attempts have ${duration(stopWithinMs)}; Ctrl-C stops at once`)
  const stopped = watching.stop(stopWithinMs).then(() => true)
  const cut = asked.second.then(async () => {
    world.stderr.write('stopping at once\n')
    await watching.stop(0)
    return false
  })
  return Promise.race([stopped, cut])
}

const banner = async ({ world, printer }: Invocation, watching: Watching, dataDirectory: string): Promise<void> => {
  const flag = await dataDirectoryFlag(world, dataDirectory)
  // On a terminal the address is a line of the live view; in a log it stands once, here.
  if (!canRepaint(world)) printer.note(`dashboard ${watching.loginUrl}`)
  printer.note(`look      ${world.program} status${flag}`)
  printer.note('stop      Ctrl-C')
}

const start = async (
  invocation: Invocation,
  asked: StopAsked,
): Promise<{ watching: Watching; dataDirectory: string } | { exit: number }> => {
  const { world, options, printer } = invocation
  const config = await configFile(world, invocation.arguments[0])
  const dataDirectory = namedDataDirectory(world, options) ?? join(dirname(config), '.sitter')
  const fresh = options.flag('fresh')
  if (fresh && world.stdin.isTerminal && (await world.disk.exists(dataDirectory))) {
    await confirm(
      invocation,
      `--fresh throws away the record in ${dataDirectory}: tasks, settlements, ledger, audit.`,
      'fresh',
    )
  }
  printer.note(`starting ${config} …`)
  const starting = world.startWatch({ configFile: config, dataDirectory, fresh })
  const first = await Promise.race([starting, asked.first])
  if (typeof first !== 'string') return { watching: first, dataDirectory }
  printer.note(`stopping as soon as it has started, after ${duration(stopWithinMs)} in any case; Ctrl-C stops at once`)
  const stopped = starting.then((watching) => watching.stop(stopWithinMs)).then(() => true)
  // A start that does not come to its end must not keep us: programs whose watch is gone end in order by themselves.
  const late = sleep(world.clock, stopWithinMs).then(() => false)
  const inOrder = await Promise.race([stopped, asked.second.then(() => false), late])
  return { exit: first === 'terminate' && inOrder ? 0 : 130 }
}

const ended = async (invocation: Invocation, end: RunEnd, watching: Watching, asked: StopAsked): Promise<number> => {
  const { printer } = invocation
  if (end.kind === 'stopped') {
    printer.note('the swarm was stopped (sitter down)')
    return 0
  }
  if (end.kind === 'failed')
    printer.warn(`${printer.paintMessage('red', 'the swarm cannot be kept up')}: ${plain(explain(end.error).what)}`)
  const inOrder = await stopInOrder(invocation, watching, asked)
  if (inOrder) printer.note('stopped')
  switch (end.kind) {
    case 'interrupt':
      return 130
    case 'terminate':
      return inOrder ? 0 : 130
    case 'failed':
      return 1
    case 'refused':
      return printError(printer, end.error)
    case 'over':
      return inOrder ? exitOf(end.judgement) : 130
  }
}

export const up: Deed = async (invocation) => {
  const { options, world } = invocation
  const settle = options.text('settle')
  const file = settle === undefined ? null : await readSettleFile(world, settle)
  if (options.flag('dryRun') || options.flag('detach')) {
    const config = await configFile(world, invocation.arguments[0])
    const data = namedDataDirectory(world, options) ?? join(dirname(config), '.sitter')
    if (!options.flag('dryRun')) return detach(invocation, config, data)
    return (await import('./up-dry.ts')).upDry(invocation, data, file)
  }
  const asked = listenForStop(world)
  try {
    const started = await start(invocation, asked)
    if ('exit' in started) return started.exit
    const { watching, dataDirectory } = started
    // A person says it, and means the file. A terminal that is closed says it too, and means the end.
    asked.onHangUp(() => watching.reload?.())
    await banner(invocation, watching, dataDirectory)
    const end = await runSwarm({ invocation, watching, file, stopAsked: asked.first })
    return await ended(invocation, end, watching, asked)
  } finally {
    asked.forget()
  }
}
