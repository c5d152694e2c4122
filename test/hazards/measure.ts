/** What a machine of a `vm` cell costs, measured in this process: memory, and CPU time, which other work does not add to. */
import { join } from 'node:path'
import { linkModules } from '../../src/cell/vm/link.ts'
import type { Vm, VmPlan } from '../../src/cell/vm/port.ts'
import { quickEngine } from '../../src/cell/vm/quickjs.ts'
import { pressed, readSnapshot, unpressed, writeSnapshot } from '../../src/cell/vm/snapshot.ts'

const module = join(import.meta.dirname, '..', '..', 'examples', 'payouts', 'agents', 'settler.ts')
const count = 200

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
const each = async (work: (index: number) => Promise<unknown>): Promise<number> => {
  const beganMs = cpuMs()
  for (let index = 0; index < count; index += 1) await work(index)
  return (cpuMs() - beganMs) / count
}

/** One sentence. */
export const measureMachines = async (): Promise<string> => {
  const engine = quickEngine()
  const modules = await linkModules(engine, module)
  const plan: VmPlan = { memoryBytes: 8_000_000, sliceMs: 1_000, modules, tell: () => '' }
  const begin = async (): Promise<Vm> => {
    const vm = await engine.create(plan)
    vm.begin()
    return vm
  }
  // Compiled once for all of them.
  for (let index = 0; index < 50; index += 1) (await begin()).close()
  const before = process.memoryUsage.rss()
  const machines: Vm[] = []
  const beginMs = await each(async () => machines.push(await begin()))
  const megabytes = (process.memoryUsage.rss() - before) / count / 1_000_000
  const sleeper = { build: engine.build, code: modules.hash, timers: [] }
  const asleep: Uint8Array[] = []
  const sleepMs = await each(async (index) => {
    asleep.push(writeSnapshot(sleeper, pressed(machines[index]!.snapshot())))
    machines[index]!.close()
  })
  const wakeMs = await each(async (index) => {
    machines[index] = await engine.restore(unpressed(readSnapshot(asleep[index]!, sleeper).body), plan)
  })
  for (const machine of machines) machine.close()
  const text = (value: number): string => value.toFixed(1)
  const kilobytes = Math.round(asleep[0]!.length / 1_000)
  return (
    `A machine with the agent of examples/payouts (mean of ${count}, CPU time): ${megabytes.toFixed(2)} MB, begins in ` +
    `${text(beginMs)} ms, falls asleep in ${text(sleepMs)} ms as ${kilobytes} kB, wakes in ${text(wakeMs)} ms.`
  )
}
