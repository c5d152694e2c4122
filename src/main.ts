/**
 * What `bin/sitter.mjs` and `npm start` run. A first argument with an underscore is a process of the swarm itself
 * (started by `watch`, never by a person); everything else is the CLI, which gets the machine as one object and
 * reaches for nothing besides.
 */

const wantedNode = 26
/** As in the table of exit codes: nothing here that could answer. */
const unavailable = 69

/** The processes of a swarm by their hidden verb; each loads its own assembly and nothing of the others. */
const runProcess = async (verb: string, argv: readonly string[]): Promise<void> => {
  switch (verb) {
    case '_gate':
      return (await import('./gate-process.ts')).runGate(argv)
    case '_porter':
      return (await import('./porter-process.ts')).runPorter(argv)
    case '_rehearsal':
      return (await import('./rehearsal-process.ts')).runRehearsal(argv)
    case '_heir':
      return process.exit(await (await import('./heir-process.ts')).runHeir(argv))
    case '_sitter':
      // Whatever still holds the loop (a host's pipe, a timer) must not keep a sitter that has closed everything.
      return process.exit(await (await import('./sitter.ts')).runSitter(argv))
    default:
      throw new Error(`there is no process ${verb}`)
  }
}

/** What is kept of what a detached `up` says, for when it does not come up. */
const mostSaid = 16_384

const startDetached = async (argv: readonly string[]) => {
  const [{ spawn }, { detachedName }] = await Promise.all([import('node:child_process'), import('./heir.ts')])
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, [detachedName]: '1' },
  })
  let said = ''
  let exit: number | null = null
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-mostSaid)
  })
  // `close`, not `exit`: then all that it said has been read.
  child.on('close', (code) => {
    exit = code ?? 1
  })
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  return {
    pid: child.pid!,
    exit: () => exit,
    said: () => said,
    leave: () => {
      child.stderr.destroy()
      child.unref()
    },
  }
}

/** Resolves with the exit code of what a person asked for. */
const runPerson = async (argv: readonly string[]): Promise<number> => {
  const [
    { runCli, streamInput, streamOutput },
    { realClock, realDisk, realFolder, realProc, realRandom },
    { readFileSync },
    { isatty },
    { dirname },
  ] = await Promise.all([
    import('./doors/cli/cli.ts'),
    import('./std/real/real.ts'),
    import('node:fs'),
    import('node:tty'),
    import('node:path'),
  ])
  const hadTerminal = isatty(0)
  const isCheckout = import.meta.filename.endsWith('.ts')
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return runCli(argv, {
    env: process.env,
    directory: process.cwd(),
    version,
    // In a checkout nobody has `sitter` on the path; npx finds it there.
    program: isCheckout ? 'npx sitter' : 'sitter',
    ...(isCheckout && { packageFrom: `file:${dirname(import.meta.dirname)}` }),
    stdin: streamInput(() => process.stdin, isatty(0)),
    stdout: streamOutput(process.stdout),
    stderr: streamOutput(process.stderr),
    clock: realClock(),
    random: realRandom(),
    disk: realDisk(),
    proc: realProc(),
    fetch: globalThis.fetch,
    onSignal: (name, listener) => {
      process.on(name, listener)
      return () => {
        process.off(name, listener)
      }
    },
    terminalGone: () => hadTerminal && !isatty(0),
    startWatch: async (ask) => (await import('./launch.ts')).launch(ask),
    startDetached,
    folder: realFolder,
    inspect: async () => (await import('./inspection.ts')).realInspection(),
  })
}

if (Number(process.versions.node.split('.')[0]) < wantedNode) {
  process.stderr.write(
    `error [wrong-node]: Swarmsitter needs Node ${wantedNode} or later; this is ${process.version}\n` +
      '  way out: run `npm ci` without --omit=optional (it brings the right Node along)\n',
  )
  process.exitCode = unavailable
} else {
  const [verb = '', ...rest] = process.argv.slice(2)
  if (verb.startsWith('_')) await runProcess(verb, rest)
  // Open connections and the terminal would keep the process; everything that must end has ended, and what was written
  // has left.
  else process.exit(await runPerson(process.argv.slice(2)))
}
