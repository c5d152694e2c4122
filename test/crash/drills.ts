/** All drills by the real command, twice in a row: each has to hold, and nothing may be left. */
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DrillRun } from '../../src/drill/drill.ts'
import { processes } from './machine.ts'
import type { Verdict } from './judge.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

const drillOnce = async (directory: string): Promise<DrillRun> => {
  const child = spawn(process.execPath, [...process.execArgv, main, 'drill', '--json'], {
    cwd: directory,
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await once(child, 'close')
  return JSON.parse(text) as DrillRun
}

export const drillTwice = async (directory: string): Promise<Verdict[]> => {
  mkdirSync(join(directory, '.sitter'), { recursive: true })
  const verdicts: Verdict[] = []
  for (const round of ['first', 'second']) {
    const { drills, leftovers } = await drillOnce(directory)
    for (const { name, detectMs, recoverMs, checks } of drills)
      verdicts.push({
        title: `${round} time, ${name}: found after ${detectMs} ms, well after ${recoverMs} ms`,
        wrong: checks.filter(({ held }) => !held).map(({ what, found }) => `${what}: ${found}`),
      })
    verdicts.push({ title: `${round} time: nothing is left of the swarm`, wrong: [...leftovers] })
  }
  const left = processes().filter(({ command }) => command.includes(directory))
  return [...verdicts, { title: 'no process is left', wrong: left.map(({ command }) => command) }]
}
