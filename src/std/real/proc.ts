/** The machine's processes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { Effort, ThreadEffort } from '../effort.ts'
import type { Child, Proc, ProcessIdentity, SpawnOptions } from '../proc.ts'

const longestLine = 16_384
const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))

/** Whether children can be bound to their parent's life by the kernel; `doctor` says what is weaker without. */
export const canDieWithParent = setpriv !== undefined

const readProc = (name: string): string | undefined => {
  try {
    return readFileSync(`/proc/${name}`, 'utf8')
  } catch {
    // No such process (or no /proc): what is asked about is not there.
    return undefined
  }
}

/** Fields of stat after the program's name, which may itself hold spaces and brackets. */
const statFields = (pid: number): readonly string[] | undefined => {
  const text = readProc(`${pid}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

const startTime = (pid: number): string | undefined => {
  const fields = statFields(pid)
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

const ticksPerSecond = 100
/** More threads than this say nothing more, and cost two reads each. */
const mostThreads = 64

/** Scheduler's counts where the kernel has them (ns), else the clock ticks of stat. */
const threadEffort = (name: string): ThreadEffort | undefined => {
  const stat = readProc(`${name}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined) return undefined
  const counts = readProc(`${name}/schedstat`)?.split(' ').map(Number)
  if (counts !== undefined && Number.isFinite(counts[0]) && Number.isFinite(counts[1]))
    return { state: fields[0]!, ranMs: counts[0]! / 1e6, waitedMs: counts[1]! / 1e6 }
  const ranMs = ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond
  return { state: fields[0]!, ranMs, waitedMs: null }
}

const effort = (pid: number): Effort | undefined => {
  const started = startTime(pid)
  if (started === undefined) return undefined
  const threads = new Map<number, ThreadEffort>()
  try {
    for (const id of readdirSync(`/proc/${pid}/task`).slice(0, mostThreads)) {
      const found = threadEffort(`${pid}/task/${id}`)
      if (found !== undefined) threads.set(Number(id), found)
    }
  } catch {
    // Gone meanwhile.
  }
  const state = threads.get(pid)?.state
  return state === undefined ? undefined : { startTime: started, state, threads }
}

const openFiles = (pid: number): { readonly open: number; readonly most: number } | undefined => {
  const most = /^Max open files +([0-9]+|unlimited) /m.exec(readProc(`${pid}/limits`) ?? '')?.[1]
  if (most === undefined) return undefined
  try {
    return { open: readdirSync(`/proc/${pid}/fd`).length, most: most === 'unlimited' ? Infinity : Number(most) }
  } catch {
    // Gone meanwhile, or another user's: not known.
    return undefined
  }
}

/** Cuts a stream into lines; a line over the bound is cut there, its rest dropped up to the next newline. */
const eachLine = (stream: Readable, give: (line: string) => void): void => {
  let rest = ''
  let dropping = false
  stream.setEncoding('utf8')
  stream.on('error', () => {
    /* the end of the process is told by `ended` */
  })
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    for (const part of parts) {
      if (!dropping) give(part.slice(0, longestLine))
      dropping = false
    }
    if (rest.length > longestLine) {
      if (!dropping) give(rest.slice(0, longestLine))
      rest = ''
      dropping = true
    }
  })
  stream.on('end', () => {
    if (rest !== '' && !dropping) give(rest)
  })
}

const windowMs = 100

/** What a line costs whoever takes it: two million lines of one byte are no more than 4 MiB, and a second of work. */
const lineBytes = 64

const linesIn = (chunk: Uint8Array | string): number => {
  const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
  let lines = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines += 1
  return lines
}

/** Reads a stream no faster than so many bytes a second: pauses it when its bucket is empty. */
const paced = (stream: Readable, perSecond: number | undefined, perLine = 0): Readable => {
  if (perSecond === undefined) return stream
  const most = perSecond * 4
  let tokens = most
  let atMs = performance.now()
  stream.on('data', (chunk: Uint8Array | string) => {
    const nowMs = performance.now()
    tokens = Math.min(most, tokens + ((nowMs - atMs) * perSecond) / 1_000)
    tokens -= chunk.length + (perLine === 0 ? 0 : perLine * linesIn(chunk))
    atMs = nowMs
    if (tokens > 0) return
    stream.pause()
    setTimeout(() => stream.resume(), Math.max(windowMs, (-tokens * 1_000) / perSecond))
  })
  return stream
}

const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try {
    return process.kill(pid, name)
  } catch {
    // Gone meanwhile, or not ours to signal: either way nothing was sent.
    return false
  }
}

/** What is left of a group keeps its number from being given away; a leader with another start time is a stranger's. */
const signalGroup = (leader: ProcessIdentity, name: NodeJS.Signals): void => {
  const now = startTime(leader.pid)
  if (now === undefined || now === leader.startTime) signal(-leader.pid, name)
}

const spawned = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })

const wireStreams = ({ stdin, stdout, stderr }: ChildProcess, options: SpawnOptions): void => {
  const { onLine, onOutput, readPerSecond, input } = options
  if (onOutput) paced(stdout!, readPerSecond).on('data', onOutput)
  else if (onLine) eachLine(paced(stdout!, readPerSecond, lineBytes), (line) => onLine('stdout', line))
  if (onLine) eachLine(paced(stderr!, readPerSecond, lineBytes), (line) => onLine('stderr', line))
  // A program may end without reading what it was given.
  stdin?.on('error', () => {})
  if (input !== undefined) stdin?.end(input)
}

const start = async (options: SpawnOptions): Promise<Child> => {
  const bound = options.dieWithParent && setpriv !== undefined
  // setpriv would start and then fail by an exit code; the caller is promised a rejection.
  if (bound && isAbsolute(options.command)) accessSync(options.command, constants.X_OK)
  const errors = options.onLine ? 'pipe' : 'ignore'
  const output = options.onOutput ? 'pipe' : errors
  const input = options.input === undefined ? 'ignore' : 'pipe'
  const given = options.give ?? []
  const child = spawn(
    bound ? setpriv : options.command,
    bound ? ['--pdeathsig', 'KILL', options.command, ...options.args] : [...options.args],
    {
      env: { ...options.env },
      cwd: options.cwd,
      detached: options.ownGroup,
      stdio: [input, output, errors, options.onPrivateLine ? 'pipe' : 'ignore', ...given.map(() => 'pipe' as const)],
    },
  )
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, name) => resolve({ code, signal: name }))
  })
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
  })
  await spawned(child)
  const pid = child.pid!
  const privateLine = child.stdio[3] as Duplex | null
  for (const [index, bytes] of given.entries()) {
    const line = child.stdio[4 + index] as unknown as Writable
    // A child may end without reading what it was given.
    line.on('error', () => {})
    line.end(bytes)
  }
  wireStreams(child, options)
  if (options.onPrivateLine) eachLine(privateLine!, options.onPrivateLine)
  let over = false
  void ended.then(() => {
    over = true
  })
  // exec by setpriv keeps pid and start time, so the identity read here is the program's.
  const identity = { pid, startTime: startTime(pid) ?? 'gone' }
  return {
    identity,
    ended,
    closed,
    tell: (line) => {
      if (!over && privateLine?.writable) privateLine.write(`${line}\n`)
    },
    kill: (name) => {
      if (!over) child.kill(name)
    },
    killGroup: (name) => {
      if (options.ownGroup) signalGroup(identity, name)
    },
  }
}

export const realProc = (): Proc => ({
  spawn: start,
  startTime,
  killExactly: (identity, name) => startTime(identity.pid) === identity.startTime && signal(identity.pid, name),
  oomKills: () => {
    const found = /^oom_kill (\d+)$/m.exec(readProc('vmstat') ?? '')
    return found ? Number(found[1]) : undefined
  },
  residentBytes: (pid) => {
    const kilobytes = /^VmRSS:\s+([0-9]+) kB$/m.exec(readProc(`${pid}/status`) ?? '')?.[1]
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1_024
  },
  state: (pid) => statFields(pid)?.[0],
  effort,
  openFiles,
})
