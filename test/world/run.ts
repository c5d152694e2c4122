/** `npm run test:world -- --seed 1 [--to 200] --agents 50 --hours 24`: runs seeds; each failing one prints its replay. */
import { parseArgs } from 'node:util'
import { World } from './world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    to: { type: 'string' },
    agents: { type: 'string', default: '50' },
    hours: { type: 'string', default: '24' },
    trace: { type: 'boolean', default: false },
  },
})
const first = Number(values.seed)
const last = Number(values.to ?? first)
const [agents, hours] = [Number(values.agents), Number(values.hours)]
let failed = 0
const totals = { events: 0, virtualHours: 0, tasks: 0, payments: 0, sitters: 0, hosts: 0, quarantines: 0 }
const begunMs = performance.now()
for (let seed = first; seed <= last; seed += 1) {
  const seedMs = performance.now()
  const { figures, violations, trace } = await new World({ seed, agents, hours }).run()
  for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += figures[name]
  const tookMs = Math.round(performance.now() - seedMs)
  if (first === last || violations.length > 0) console.log(JSON.stringify({ ...figures, tookMs }))
  if (violations.length === 0) continue
  failed += 1
  if (values.trace || first === last) for (const line of trace) console.log(`  ${line}`)
  for (const what of violations.slice(0, 5)) console.log(`seed ${seed}: ${what}`)
  console.log(`replay: npm run test:world -- --seed ${seed} --agents ${agents} --hours ${hours}`)
}
const tookMs = Math.round(performance.now() - begunMs)
console.log(JSON.stringify({ seeds: last - first + 1, failed, tookMs, ...totals }))
process.exitCode = failed > 0 ? 1 : 0
