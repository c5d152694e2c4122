/** The long tests (`*.slow.ts`), run by Vitest in a process of its own: each of them is a verdict like the others. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Verdict } from './judge.ts'

interface Told {
  readonly success: boolean
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly title: string
      readonly status: string
      readonly failureMessages: readonly string[] | null
    }[]
  }[]
}

const root = join(import.meta.dirname, '..', '..')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const config = join(root, 'vitest.slow.config.ts')

/** A file that could not be read has no test that could fail: it is a failure of its own. */
const verdictsOf = ({ testResults }: Told): Verdict[] =>
  testResults.flatMap(({ name, status, message, assertionResults }): Verdict[] => {
    const file = relative(root, name)
    if (
      assertionResults.length === 0 ||
      (status === 'failed' && assertionResults.every((one) => one.status === 'passed'))
    )
      return [{ title: `${file} runs`, wrong: [message] }]
    return assertionResults.map((one) => ({
      title: `${file}: ${one.title}`,
      wrong: one.status === 'failed' ? (one.failureMessages ?? ['it failed']) : [],
      skipped: one.status !== 'failed' && one.status !== 'passed',
    }))
  })

/** `long` = those that have a longer form run in it. */
export const longTests = async (directory: string, long = false): Promise<Verdict[]> => {
  const file = join(directory, 'vitest.json')
  const child = spawn(
    process.execPath,
    [vitest, 'run', '--config', config, '--reporter=dot', '--reporter=json', `--outputFile.json=${file}`],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...(long && { SLOW_LONG: '1' }) } },
  )
  const [code] = (await once(child, 'close')) as [number | null]
  if (!existsSync(file)) return [{ title: 'the long tests ran', wrong: [`Vitest ended with ${code} and told nothing`] }]
  const verdicts = verdictsOf(JSON.parse(readFileSync(file, 'utf8')) as Told)
  // What no single test explains (an error outside of all) is a failure as well.
  const isTold = code === 0 || verdicts.some(({ wrong }) => wrong.length > 0)
  return [
    ...verdicts,
    { title: 'the long tests ended as their results say', wrong: isTold ? [] : [`Vitest ended with ${code}`] },
  ]
}
