/** The machine's processes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import type { Duplex, Readable } from 'node:stream'
import type { Child, Proc, SpawnOptions } from '../proc.ts'

const longestLine = 16_384
const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))

/** Whether children can be bound to their parent's life by the kernel; `doctor` says what is weaker without. */
export const canDieWithParent = setpriv !== undefined

const statFields = (pid: number): readonly string[] | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch { return undefined }
}

const startTime = (pid: number): string | undefined => {
  const fields = statFields(pid)
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

/** Cuts a stream into lines; a line over the bound is cut there, its rest dropped up to the next newline. */
const eachLine = (stream: Readable, give: (line: string) => void): void => {
  let rest = ''
  let dropping = false
  stream.setEncoding('utf8')
  stream.on('error', () => { /* the end of the process is told by `ended` */ })
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    for (const part of parts) { if (!dropping) give(part.slice(0, longestLine)); dropping = false }
    if (rest.length > longestLine) { if (!dropping) give(rest.slice(0, longestLine)); rest = ''; dropping = true }
  })
  stream.on('end', () => { if (rest !== '' && !dropping) give(rest) })
}

const signal = (pid: number, name: NodeJS.Signals): boolean => {
  try { return process.kill(pid, name) } catch { return false }
}

const spawned = (child: ChildProcess): Promise<void> => new Promise((resolve, reject) => {
  child.once('spawn', resolve)
  child.once('error', reject)
})

const start = async (options: SpawnOptions): Promise<Child> => {
  const bound = options.dieWithParent && setpriv !== undefined
  const output = options.onLine ? 'pipe' : 'ignore'
  const child = spawn(
    bound ? setpriv : options.command,
    bound ? ['--pdeathsig', 'KILL', options.command, ...options.args] : [...options.args],
    { env: { ...options.env }, cwd: options.cwd, detached: options.ownGroup, stdio: ['ignore', output, output, options.onPrivateLine ? 'pipe' : 'ignore'] },
  )
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, name) => resolve({ code, signal: name }))
  })
  await spawned(child)
  const pid = child.pid!
  const privateLine = child.stdio[3] as Duplex | null
  if (options.onLine) {
    eachLine(child.stdout!, (line) => options.onLine!('stdout', line))
    eachLine(child.stderr!, (line) => options.onLine!('stderr', line))
  }
  if (options.onPrivateLine) eachLine(privateLine!, options.onPrivateLine)
  let over = false
  void ended.then(() => { over = true })
  return {
    // exec by setpriv keeps pid and start time, so the identity read here is the program's.
    identity: { pid, startTime: startTime(pid) ?? 'gone' },
    ended,
    tell: (line) => { if (!over && privateLine?.writable) privateLine.write(`${line}\n`) },
    kill: (name) => { if (!over) child.kill(name) },
    killGroup: (name) => { if (options.ownGroup) signal(-pid, name) },
  }
}

export const realProc = (): Proc => ({
  spawn: start,
  startTime,
  killExactly: (identity, name) => startTime(identity.pid) === identity.startTime && signal(identity.pid, name),
  residentBytes: (pid) => {
    const fields = statFields(pid)
    return fields === undefined ? undefined : Number(fields[21]) * 4_096
  },
})
