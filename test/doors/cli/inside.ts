/**
 * The CLI of this process: the same verbs on the same machine (disk, time, network) as `src/main.ts` gives them, with
 * streams that remember. A process of its own costs a fifth of a second of a core; alike.test.ts holds both against
 * each other. What needs a process (a swarm that is started, what doctor looks at) is refused.
 */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { runCli, streamInput, type Output } from '../../../src/doors/cli/cli.ts'
import { realClock, realDisk, realFolder, realProc, realRandom } from '../../../src/std/real/real.ts'
import { main, surroundings, type Ended } from './child.ts'

const root = dirname(dirname(main))
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string }

const remembering = (): Output & { readonly text: () => string } => {
  let text = ''
  return {
    write: (more) => {
      text += more
    },
    drained: () => Promise.resolve(),
    closed: false,
    isTerminal: false,
    columns: () => 80,
    rows: () => 24,
    text: () => text,
  }
}

const needsProcess = (): never => {
  throw new Error('this needs a process of its own: child.ts')
}

export const run = async (
  directory: string,
  args: readonly string[],
  options: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> => {
  const [stdout, stderr] = [remembering(), remembering()]
  const stdin = Readable.from(Buffer.from(options.stdin ?? '')) as unknown as NodeJS.ReadStream
  const code = await runCli(args, {
    env: { ...surroundings(), ...options.env },
    directory,
    version,
    program: 'npx sitter',
    packageFrom: `file:${root}`,
    stdin: streamInput(() => stdin, false),
    stdout,
    stderr,
    clock: realClock(),
    random: realRandom(),
    disk: realDisk(),
    proc: realProc(),
    fetch: globalThis.fetch,
    onSignal: () => () => {},
    terminalGone: () => false,
    startWatch: needsProcess,
    startDetached: needsProcess,
    folder: realFolder,
    inspect: needsProcess,
  })
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}
