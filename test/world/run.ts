/**
 * `npm run test:world -- --seed 1 [--to 200] [--agents 50] [--hours 24] [--trace] [--plant BUG [--until-found]]`: runs
 * seeds one after the other; each failing one prints what was broken and the line that replays it. With a planted bug
 * the worlds are to fail.
 */
import { parseArgs } from 'node:util'
import { plant, planted } from './planted.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    to: { type: 'string' },
    agents: { type: 'string', default: '50' },
    hours: { type: 'string', default: '24' },
    trace: { type: 'boolean', default: false },
    plant: { type: 'string' },
    'until-found': { type: 'boolean', default: false },
  },
})
const first = Number(values.seed)
const last = Number(values.to ?? first)
const [agents, hours] = [Number(values.agents), Number(values.hours)]
const isWhole = (number: number): boolean => Number.isSafeInteger(number) && number > 0
if (![first, last, agents].every(isWhole) || !(hours > 0)) {
  console.error('--seed, --to and --agents are whole numbers from 1 on, --hours is a number of them')
  process.exit(2)
}
if (values.plant !== undefined) {
  plant(values.plant)
  console.log(`planted ${values.plant}: ${planted[values.plant]!.bug}`)
}
// After the planting: from here on the sources are loaded.
const { World } = await import('./world.ts')

/** So many of a world's violations are printed: most follow from the first. */
const mostPrinted = 5
let failed = 0
let run = 0
const totals = { events: 0, virtualHours: 0, tasks: 0, payments: 0, sitters: 0, hosts: 0, quarantines: 0 }
for (let seed = first; seed <= last && !(values['until-found'] && failed > 0); seed += 1) {
  const { figures, violations, trace } = await new World({ seed, agents, hours }).run()
  run += 1
  for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += figures[name]
  if (first === last || violations.length > 0) console.log(JSON.stringify(figures))
  if (violations.length === 0) continue
  failed += 1
  if (values.trace || first === last) for (const line of trace) console.log(`  ${line}`)
  for (const what of violations.slice(0, mostPrinted)) console.log(`seed ${seed}: ${what}`)
  console.log(`replay: npm run test:world -- --seed ${seed} --agents ${agents} --hours ${hours}`)
}
const { user, system } = process.cpuUsage()
const cpuSeconds = Math.round((user + system) / 100_000) / 10
console.log(JSON.stringify({ ...totals, virtualHours: Math.round(totals.virtualHours), cpuSeconds }))
console.log(`${run - failed} passed, ${failed} failed, 0 skipped`)
process.exitCode = failed > 0 ? 1 : 0
