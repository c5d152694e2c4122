/**
 * A gate as a process of its own, with the rules given as JSON; ended by SIGKILL or SIGTERM in tests. Says `open` when
 * it is.
 */
import { readFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { openGate, realKeyFiles } from '../../src/gate.ts'
import type { Rules } from '../../src/gateway/gateway.ts'
import { realClock, realDisk, realNet, realRandom } from '../../src/std/real/real.ts'

const [data, config, socket, rulesFile] = process.argv.slice(2) as [string, string, string, string]
const rules = JSON.parse(readFileSync(rulesFile, 'utf8'), (_key, value: unknown) =>
  typeof value === 'string' && /^[0-9]+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
) as Rules
const gate = await openGate({
  dataDirectory: data,
  journalBeside: true,
  rules,
  linkSocket: socket,
  keyFiles: realKeyFiles(),
  keyPlaces: { credentialsDirectory: null, configHome: config },
  clock: realClock(),
  random: realRandom(),
  disk: realDisk(),
  net: realNet(),
  version: '0.0.0-test',
  log: (level, message, fields) => console.log(JSON.stringify({ level, message, ...fields })),
  onLost: () => process.exit(1),
})
process.on('SIGTERM', () => {
  void Promise.resolve(gate.stop()).then(() => process.exit(0))
})
console.log('open')
// Who is killed keeps no compiled code: the next one would compile all of it anew.
flushCompileCache()
