// measure: quick
import { quickEngine } from './src/cell/vm/quickjs.ts'
import { linkModules } from './src/cell/vm/link.ts'
const t0 = performance.now()
const engine = quickEngine()
const t1 = performance.now()
const modules = await linkModules(engine, process.cwd() + '/examples/payouts/agents/settler.ts', '/tmp/vmtry/kept')
const t2 = performance.now()
const mk = async () => {
  const vm = await engine.create({ memoryBytes: 8e6, sliceMs: 1000, modules, tell: () => '' })
  vm.begin()
  return vm
}
await mk()
const t3 = performance.now()
console.log('compile', t1 - t0, 'link', t2 - t1, 'first vm', t3 - t2, 'rss', process.memoryUsage.rss() / 1e6)
const before = process.memoryUsage()
const vms = []
const t4 = performance.now()
for (let i = 0; i < 100; i++) vms.push(await mk())
const t5 = performance.now()
const after = process.memoryUsage()
console.log(
  'create ms',
  (t5 - t4) / 100,
  'MB each rss',
  (after.rss - before.rss) / 1e8,
  'ab',
  (after.arrayBuffers - before.arrayBuffers) / 1e8,
  'used',
  vms[0].memory(),
)
