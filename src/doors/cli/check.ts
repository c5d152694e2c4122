/** `agent check -- <command>`: does a program speak the agent protocol? Needs no sitter and no swarm. */
import type { Check } from '../../cell/cell.ts'
import { failure } from '../../std/std.ts'
import { counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const usualWithinMs = 10_000

const payloadOf = ({ options }: Invocation): unknown => {
  const text = options.text('payload')
  if (text === undefined) return {}
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw failure('usage', `--payload is no JSON: ${(error as Error).message}`)
  }
}

const marks = {
  passed: ['green', '✓'],
  failed: ['red', '✗'],
  warning: ['yellow', '!'],
  'not tested': ['yellow', '–'],
} as const

export const agentCheck: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  const command = invocation.arguments.filter((word) => word !== undefined)
  const { checkAgent } = await import('../../cell/cell.ts')
  const checks = await checkAgent(world, {
    command,
    directory: world.directory,
    scratchIn: world.env['TMPDIR'] ?? '/tmp',
    task: options.text('task'),
    payload: payloadOf(invocation),
    withinMs: options.duration('within') ?? usualWithinMs,
    onCheck: ({ outcome, name, expected, found }) => {
      if (printer.json) return
      const [color, mark] = marks[outcome]
      const untried = outcome === 'not tested'
      printer.line(`${printer.paint(color, mark)} ${name}: ${untried ? `${outcome}, ${plain(found)}` : expected}`)
      if (outcome === 'failed' || outcome === 'warning') printer.line(`    found: ${plain(found)}`)
    },
    onLine: (stream, line) => printer.note(`  ${stream}: ${plain(line)}`),
  })
  const count = (wanted: Check['outcome']): number => checks.filter(({ outcome }) => outcome === wanted).length
  const [failed, untested, warnings] = [count('failed'), count('not tested'), count('warning')]
  if (printer.json) printer.document({ ok: failed === 0, command, checks })
  else {
    const beside = [untested > 0 ? [`${untested} not tested`] : [], warnings > 0 ? [counted(warnings, 'warning')] : []]
    const told = [`${counted(count('passed'), 'check')} passed`, `${failed} failed`, ...beside.flat()]
    printer.line(told.join(', '))
  }
  return failed === 0 ? 0 : 1
}
