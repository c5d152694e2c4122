/**
 * A real gate as a process of its own, over the configuration that its argument says. Ends when its parent does.
 * Beside the requests it tells what it weighs, when it is asked by a line on stdin.
 */
import { createInterface } from 'node:readline'
import { parseConfig } from '../../src/config/config.ts'
import { openGate, realKeyFiles } from '../../src/gate.ts'
import { realClock, realDisk, realNet, realRandom } from '../../src/std/real/real.ts'

interface Ask {
  readonly directory: string
  readonly socket: string
  readonly config: unknown
}

const { directory, socket, config } = JSON.parse(process.argv[2]!) as Ask
const rules = parseConfig(config, directory)
const gate = await openGate({
  dataDirectory: directory,
  journalBeside: true,
  rules,
  linkSocket: socket,
  keyFiles: realKeyFiles(),
  keyPlaces: { credentialsDirectory: null, configHome: directory },
  clock: realClock(),
  random: realRandom(),
  disk: realDisk(),
  net: realNet(),
  version: '0.0.0-bench',
  log: (level, message, fields) => {
    if (level === 'error') process.stderr.write(`${JSON.stringify({ message, ...fields })}\n`)
  },
  onLost: (cause) => {
    throw cause
  },
})
process.stdout.write('ready\n')
const lines = createInterface({ input: process.stdin })
lines.on('line', () => {
  // What is garbage already is nobody's.
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.stdout.write(`${JSON.stringify({ rss, heapUsed, external, inFlight: gate.status().inFlight })}\n`)
})
lines.on('close', () => process.exit(0))
