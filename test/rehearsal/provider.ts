/**
 * A rehearsal provider as a process of its own, to be killed. Arguments: directory and faults as JSON; prints its URL.
 */
import { startRehearsal, type FaultShares } from '../../src/rehearsal/rehearsal.ts'

const [directory, faults] = process.argv.slice(2) as [string, string]
const provider = await startRehearsal({
  name: 'northbank',
  port: 0,
  rate: 10_000,
  seed: 1,
  directory,
  faults: JSON.parse(faults) as FaultShares,
})
process.stdout.write(`${provider.url}\n`)
