/**
 * `up --detach`: the same `up` as a process of its own, away from this terminal. It is waited for until its sitter
 * answers, so that "up" is evidence and no hope; what keeps it from coming up is told here, with its exit code.
 */
import { resolve } from 'node:path'
import { failure, sleep } from '../../std/std.ts'
import { confirm } from './asking.ts'
import { dataDirectoryFlag, runningSitter } from './locate.ts'
import { facts } from './story.ts'
import { plain, plainLines } from './text.ts'
import type { Invocation } from './verb.ts'

const upWithinMs = 120_000
const lookEveryMs = 200

const wordsFor = ({ options, world }: Invocation, config: string, data: string): string[] => {
  const settle = options.text('settle')
  return [
    'up',
    config,
    '--data-dir',
    data,
    '--no-color',
    '--yes',
    ...(options.flag('fresh') ? ['--fresh'] : []),
    ...(settle === undefined ? [] : ['--settle', resolve(world.directory, settle)]),
  ]
}

const answers = async ({ world }: Invocation, url: string): Promise<boolean> => {
  try {
    return (await world.fetch(`${url}/livez`, { redirect: 'error' })).ok
  } catch {
    return false // not yet: it is looked at again, until the time is over
  }
}

export const detach = async (invocation: Invocation, config: string, data: string): Promise<number> => {
  const { world, printer, options, interrupted } = invocation
  if (options.flag('exitWhenIdle'))
    throw failure('usage', '--detach and --exit-when-idle do not go together: nobody would hear how it ended')
  const other = await runningSitter(world, data)
  if (other !== undefined) throw failure('already-running', `a sitter runs on ${data} already, pid ${other.pid}`)
  if (options.flag('fresh') && world.stdin.isTerminal && (await world.disk.exists(data)))
    await confirm(invocation, `--fresh throws away the record in ${data}: tasks, settlements, ledger, audit.`, 'fresh')
  const started = await world.startDetached(wordsFor(invocation, config, data))
  const begunMs = world.clock.monoMs()
  for (;;) {
    if (started.exit() !== null) {
      for (const line of plainLines(started.said().trimEnd())) printer.warn(line)
      return started.exit()!
    }
    const sitter = await runningSitter(world, data)
    const url = sitter === undefined ? '' : `http://127.0.0.1:${sitter.port}`
    if (sitter !== undefined && (await answers(invocation, url))) {
      started.leave()
      const flag = await dataDirectoryFlag(world, data)
      printer.show({ pid: started.pid, sitter: sitter.pid, url, dataDirectory: data }, () =>
        facts([
          ['up', `pid ${started.pid}, sitter pid ${sitter.pid}, ${plain(url)}`],
          ['look', `${world.program} status${flag}`],
          ['log', `${world.program} logs -f${flag}`],
          ['stop', `${world.program} down${flag}`],
        ]),
      )
      return 0
    }
    if (world.clock.monoMs() - begunMs >= upWithinMs)
      throw failure('timed-out', `no sitter answered within ${upWithinMs / 1_000} s; pid ${started.pid} goes on trying`)
    await sleep(world.clock, lookEveryMs, interrupted)
  }
}
