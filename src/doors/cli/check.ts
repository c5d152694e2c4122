/** `agent check -- <command>`: does a program speak the agent protocol? Needs no sitter and no swarm. */
import { failure } from '../../std/std.ts'
import { counted, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const usualWithinMs = 10_000

const payloadOf = ({ options }: Invocation): unknown => {
  const text = options.text('payload')
  if (text === undefined) return {}
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw failure('usage', '--payload is no JSON')
  }
}

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
    onCheck: ({ ok, name, expected, found }) => {
      if (printer.json) return
      printer.line(`${ok ? printer.paint('green', '✓') : printer.paint('red', '✗')} ${name}: ${expected}`)
      if (!ok) printer.line(`    found: ${plain(found)}`)
    },
    onLine: (stream, line) => printer.note(`  ${stream}: ${plain(line)}`),
  })
  const failed = checks.filter(({ ok }) => !ok).length
  if (printer.json) printer.document({ ok: failed === 0, command, checks })
  else printer.line(`${counted(checks.length - failed, 'check')} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}
