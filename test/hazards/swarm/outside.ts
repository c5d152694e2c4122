/** Beats like the agents, and is none: how late it is, the machine is by itself. Ends with whoever started it. */
import { openSync, writeSync } from 'node:fs'
import { beatEveryMs, recordBytes } from './beats.ts'

const file = openSync(process.argv[2]!, 'a')
const record = Buffer.alloc(recordBytes)
for (let number = 0; number < 10; number += 1)
  setTimeout(() => {
    setInterval(() => {
      record.writeUInt32LE(number, 0)
      record.writeDoubleLE(performance.timeOrigin + performance.now(), 8)
      writeSync(file, record)
    }, beatEveryMs)
  }, number * 100)
process.stdin.on('end', () => process.exit(0)).resume()
