/** An agent whose module does something when it is loaded: it leaves a file that says in which process. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineAgent } from 'swarmsitter/agent'

// The directory of a cell lies in that of the test.
writeFileSync(join(process.cwd(), '..', `loaded-${process.pid}`), '')

export default defineAgent({ tasks: { echo: () => ({ pid: process.pid }) } })
