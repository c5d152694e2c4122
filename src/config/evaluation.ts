/**
 * Runs a user's config in a child, so that it neither leaks modules into this process nor acts with its rights: `node
 * --permission` is a second layer against accidents, no wall against malice (node:sqlite, which could write past it, is
 * switched off too). The child sees only the variables that the config asks for by `env()`: a run tells what it asked
 * for, and is repeated with those. One run takes 110 to 160 ms.
 */
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Failure, type Child, type Clock, type Disk, type Proc } from '../std/std.ts'
import { grantedVariable, type Environment } from './env.ts'
import { configInvalid, type ConfigFault } from './faults.ts'
import { reportReader, type Report } from './report.ts'

export interface EvaluationPorts {
  readonly disk: Disk
  readonly proc: Proc
  readonly clock: Clock
}

const timeLimitMs = 10_000
/** What a dead child printed may still be on its way when its end is told. */
const lingerMs = 1_000
/** Names that depend on other variables' values need one more run each level; nobody nests deeper. */
const mostRuns = 4
const mostNoise = 20

const here = import.meta.filename
const extension = here.endsWith('.ts') ? '.ts' : '.js'
export const ownRoot = resolve(dirname(here), '../..')

export const ancestors = (directory: string): readonly string[] => {
  const up = dirname(directory)
  return up === directory ? [directory] : [directory, ...ancestors(up)]
}

/** The nearest folder with a package.json, or the folder itself. */
export const projectOf = async (disk: Disk, directory: string): Promise<string> => {
  for (const one of ancestors(directory)) if (await disk.exists(join(one, 'package.json'))) return one
  return directory
}

/**
 * Folders that the config may read: its project (up to the nearest package.json), installed packages above it, and
 * ourselves.
 */
const readable = async (disk: Disk, baseDirectory: string): Promise<readonly string[]> => {
  const all = ancestors(baseDirectory)
  const modules = await Promise.all(all.map((directory) => disk.exists(join(directory, 'node_modules'))))
  const project = await projectOf(disk, baseDirectory)
  return [
    ...new Set([
      baseDirectory,
      project,
      ownRoot,
      ...all.filter((_, index) => modules[index]).map((directory) => join(directory, 'node_modules')),
    ]),
  ]
}

export interface Run {
  /** What is evaluated or tried, and the child that does it: its file beside this one, and its arguments. */
  readonly file: string
  readonly child: { readonly program: 'evaluate' | 'trial'; readonly args: readonly string[] }
  readonly readable: readonly string[]
  readonly granted: Environment
  /** Heap cap; Node's own when absent. */
  readonly memoryMb?: number
  /** A program and its arguments that build walls around the child. */
  readonly walls?: readonly string[]
}

const start = (
  ports: EvaluationPorts,
  run: Run,
  onLine: (stream: 'stdout' | 'stderr', line: string) => void,
): Promise<Child> =>
  ports.proc.spawn({
    command: run.walls?.[0] ?? process.execPath,
    args: [
      ...(run.walls === undefined ? [] : [...run.walls.slice(1), process.execPath]),
      '--permission',
      ...run.readable.map((path) => `--allow-fs-read=${path}`),
      ...(run.memoryMb === undefined ? [] : [`--max-old-space-size=${run.memoryMb}`]),
      '--no-experimental-sqlite',
      '--disable-warning=ExperimentalWarning',
      '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
      // In a checkout there is no dist/ yet: the `source` condition leads `swarmsitter/agent` to the .ts files.
      ...(extension === '.ts' ? ['--conditions=source'] : []),
      join(dirname(here), `${run.child.program}${extension}`),
      pathToFileURL(run.file).href,
      ...run.child.args,
    ],
    env: { [grantedVariable]: JSON.stringify(run.granted), NO_COLOR: '1' },
    cwd: dirname(run.file),
    ownGroup: false,
    dieWithParent: true,
    onLine,
  })

/** One run of the child to its report. @throws Failure `config-unreadable` when it gives none. */
export const runChild = async (ports: EvaluationPorts, run: Run): Promise<Report> => {
  const read = reportReader()
  const noise: string[] = []
  const told = Promise.withResolvers<Report>()
  const unreadable = (why: string): void =>
    told.reject(
      new Failure('config-unreadable', [`${run.file}: ${why}`, ...noise].join('\n  '), { facts: { file: run.file } }),
    )
  const child = await start(ports, run, (stream, line) => {
    const report = stream === 'stdout' ? read(line) : undefined
    if (report === 'too-large') unreadable('it is larger than 4,000,000 characters of JSON')
    else if (report) told.resolve(report)
    else if (stream === 'stderr' && noise.length < mostNoise) noise.push(line)
  })
  const stopLimit = ports.clock.timer(timeLimitMs, () =>
    unreadable(`it was not evaluated within ${timeLimitMs / 1_000} s`),
  )
  let stopLinger = (): void => {}
  void child.ended.then((end) => {
    stopLinger = ports.clock.timer(lingerMs, () =>
      unreadable(`its evaluation ended early (${end.signal ?? `exit ${end.code}`})`),
    )
  })
  try {
    return await told.promise
  } finally {
    stopLimit()
    child.kill('SIGKILL')
    await child.ended
    stopLinger()
  }
}

const refuseError = (file: string, error: NonNullable<Report['error']>): Failure => {
  const what =
    error.denied === null
      ? `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}`
      : `it wanted ${error.denied}, which a config may not: it may read its own project, and nothing more`
  return new Failure('config-unreadable', `${error.at ?? file}: ${what}`, {
    facts: { file, ...(error.at === null ? {} : { at: error.at }) },
  })
}

/** `unset`: variables that it asks for and that are not there; in their place stands an empty text. */
export interface Evaluated {
  readonly value: unknown
  readonly unset: readonly ConfigFault[]
}

/**
 * The default export of a `.ts` or `.js` config as plain data.
 * @throws Failure `config-unreadable` (with file and line where known), or `config-invalid` naming every unset variable
 * or every value that JSON cannot carry.
 */
export const evaluateConfig = async (
  ports: EvaluationPorts,
  file: string,
  environment: Environment,
): Promise<Evaluated> => {
  const folders = await readable(ports.disk, dirname(file))
  const index = pathToFileURL(join(dirname(here), '..', `index${extension}`)).href
  const child = { program: 'evaluate', args: [index] } as const
  const granted: Record<string, string> = Object.create(null)
  for (let runs = 1; ; runs += 1) {
    const report = await runChild(ports, { file, child, readable: folders, granted })
    const more = report.asked.filter(({ name }) => environment[name] && !(name in granted))
    for (const { name } of more) granted[name] = environment[name]!
    if (more.length > 0 && runs < mostRuns) continue
    if (more.length > 0)
      throw new Failure('config-unreadable', `${file}: the names of its variables depend on one another too deeply`)
    const unset = report.asked
      .filter(({ name, needed }) => needed && !environment[name])
      .map(({ name }) => ({
        path: `env('${name}')`,
        found: 'nothing',
        expected: `${name} to be set in the environment or in .env beside the config`,
      }))
    // What fails with nothing in its place may be all right with something.
    if (unset.length > 0 && (report.error || report.strange)) throw configInvalid(unset, file)
    if (report.error) throw refuseError(file, report.error)
    if (report.strange) {
      throw configInvalid(
        report.strange.map(({ path, found }) => ({
          path: path.map(String).join('.'),
          found,
          expected: 'plain data: text, numbers, true, false, null, lists and objects',
        })),
        file,
      )
    }
    return { value: report.value, unset }
  }
}
