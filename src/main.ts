/**
 * What `bin/sitter.mjs` and `npm start` run. A first argument with an underscore is a process of the swarm itself (started by `watch`
 * or by `up`, never by a person); everything else is the CLI, which gets the machine as one object and touches nothing besides.
 */
import { basename } from 'node:path'

const wantedNode = 26
/** As in the table of exit codes: nothing here that could answer. */
const unavailable = 69

/** The processes of a swarm by their hidden verb. */
const runProcess = async (verb: string, argv: readonly string[]): Promise<void> => {
  switch (verb) {
    case '_sitter': return (await import('./sitter.ts')).runSitter(argv)
    case '_gate': return (await import('./gate.ts')).runGate(argv)
    default: throw new Error(`${basename(process.argv[1] ?? 'sitter')} has no process ${verb}`)
  }
}

if (Number(process.versions.node.split('.')[0]) < wantedNode) {
  process.stderr.write(`error [wrong-node]: Swarmsitter needs Node ${wantedNode} or later; this is ${process.version}\n` +
    '  way out: run `npm ci` without --omit=optional (it brings the right Node along), or start it with a newer Node\n')
  process.exitCode = unavailable
} else {
  const [verb = '', ...rest] = process.argv.slice(2)
  if (verb.startsWith('_')) await runProcess(verb, rest)
  else {
    const { runCli, machine } = await import('./doors/cli/cli.ts')
    process.exit(await runCli(process.argv.slice(2), machine()))
  }
}
