/** The alerts of deploy/prometheus, judged by Prometheus' own tool on figures as a sitter gives them. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const rules = resolve(import.meta.dirname, '../../deploy/prometheus/rules.yaml')

interface Case {
  readonly series: Readonly<Record<string, string>>
  readonly name: string
}

/** Whether the alert is there after so many minutes: promtool is told that it is not, and objects. YAML takes JSON. */
const fires = async ({ series, name }: Case, minutes: number): Promise<boolean> => {
  const directory = await mkdtemp(join(tmpdir(), 'sitter-rules-'))
  try {
    const tests = {
      rule_files: [rules],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
          alert_rule_test: [{ eval_time: `${minutes}m`, alertname: name, exp_alerts: [] }],
        },
      ],
    }
    const file = join(directory, 'rules.test.yaml')
    await writeFile(file, JSON.stringify(tests))
    const { status, stdout, stderr, error } = spawnSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })
    // Without promtool (Debian: prometheus) nobody has judged: that is a failure, not a pass.
    expect(error, 'promtool cannot be run').toBeUndefined()
    if (status !== 0) expect(stdout + stderr).toContain(`alertname: ${name}`)
    return status !== 0
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const tasks = (type: string, state: string): string =>
  `sitter_tasks{instance="one",job="swarmsitter",type="${type}",state="${state}"}`
const ended = (type: string): string =>
  `sitter_tasks_finished_total{instance="one",job="swarmsitter",type="${type}",outcome="succeeded"}`

test('work of a type of which no task ever ended rings when it stands still', async () => {
  const series = { [tasks('settle', 'ready')]: '5x60' }
  expect(await fires({ name: 'WorkStalled', series }, 10)).toBe(false)
  expect(await fires({ name: 'WorkStalled', series }, 50)).toBe(true)
})

test('work that ends does not ring, and work that has stopped ending does', async () => {
  const goes = { [tasks('settle', 'ready')]: '5x60', [ended('settle')]: '0+3x60' }
  expect(await fires({ name: 'WorkStalled', series: goes }, 50)).toBe(false)
  const stopped = { [tasks('settle', 'ready')]: '5x60', [ended('settle')]: '0+3x10 30x50' }
  expect(await fires({ name: 'WorkStalled', series: stopped }, 55)).toBe(true)
  // What ends of another type is no sign of life of this one.
  expect(await fires({ name: 'WorkStalled', series: { ...goes, [tasks('report', 'running')]: '1x60' } }, 50)).toBe(true)
})

test('restarts of a type are added up over their causes', async () => {
  const restarts = (cause: string): string =>
    `sitter_agent_restarts_total{instance="one",job="swarmsitter",type="settler",cause="${cause}"}`
  const many = { [restarts('exit')]: '0+6x60', [restarts('memory')]: '0+6x60' }
  expect(await fires({ name: 'AgentsRestarting', series: many }, 40)).toBe(true)
  expect(await fires({ name: 'AgentsRestarting', series: { [restarts('exit')]: '0+6x60' } }, 40)).toBe(false)
})
