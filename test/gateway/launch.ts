/** A gate in a process of its own, to be killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Rules } from '../../src/gateway/gateway.ts'
import type { Place } from './harness.ts'

export interface GateProcess {
  readonly child: ChildProcess
  /** What it logged so far. */
  readonly lines: string[]
  /** Resolves when it is gone. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

/** Amounts are bigint, which is no JSON: run-gate.ts reads `1n`. */
const textOf = (rules: Rules): string =>
  JSON.stringify(rules, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))

/** Resolves when it is open. */
export const launchGate = async (place: Place, rules: Rules): Promise<GateProcess> => {
  const path = join(place.directory, 'rules.json')
  writeFileSync(path, textOf(rules))
  const program = join(import.meta.dirname, 'run-gate.ts')
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, place.data, place.config, place.socket, path],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const lines: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line)
      if (line === 'open') resolve()
    })
    child.on('exit', () => reject(new Error(`the gate ended: ${lines.join('\n')}`)))
  })
  return {
    child,
    lines,
    end: async (signal) => {
      child.kill(signal)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
  }
}
