/**
 * A villain for every cell kind: does one hazard and says what it got. As a program: the ask on stdin, what it got on
 * stdout. As a module: a task. It imports nothing of ours but its own part, so that it runs where
 * only it can be seen.
 *
 * What succeeds begins with `got`; every other end is a refusal, or the villain's own death.
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeSync,
  writeFileSync,
} from 'node:fs'
import { connect, type NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pureHazards } from './hazards-pure.ts'

/** What there is to be attacked; every path and pid is the machine's own. */
export interface Targets {
  /** The sitter's process, which holds `canary` in its environment and memory. */
  readonly sitterPid: number
  readonly neighbourPid: number
  readonly record: string
  readonly vault: string
  /** A file in the neighbour's directory. */
  readonly neighbourFile: string
  readonly port: number
  readonly socket: string
  readonly abstractSocket: string
  /** The folder in which the villain lies: not its own to write. */
  readonly program: string
  /** Text that stands in the name of whatever it starts, so that it can be found. */
  readonly mark: string
}

type Hazard = (targets: Targets) => unknown

const own = (): string => {
  const directory = join(tmpdir(), `villain-${process.pid}`)
  mkdirSync(directory, { recursive: true })
  return directory
}
const got = (what: string): string => `got ${what.slice(0, 60)}`
const dial = (target: NetConnectOpts): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(target, () => {
      socket.write('hello')
      socket.end()
      resolve(got('a connection'))
    })
    socket.once('error', reject)
  })
/** What Node cannot do, Python can; its last line is what it got. */
const python = (code: string): string => {
  const { stdout, stderr, error } = spawnSync('python3', ['-c', code], { encoding: 'utf8', timeout: 5_000 })
  if (error) throw error
  if (stdout.trim() === '') throw new Error(stderr.trim().split('\n').at(-1) || 'nothing came')
  return got(stdout.trim())
}
const libc = 'import ctypes,os\nlibc=ctypes.CDLL(None,use_errno=True)\n'
const system = (call: string): string =>
  python(
    `${libc}r=libc.syscall(${call})\nif r<0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))\nprint('syscall', r)`,
  )
const numbers: Readonly<
  Record<string, { readonly ptrace: number; readonly keyctl: number; readonly bpf: number; readonly unshare: number }>
> = {
  x64: { ptrace: 101, keyctl: 250, bpf: 321, unshare: 272 },
  arm64: { ptrace: 117, keyctl: 219, bpf: 280, unshare: 97 },
}
const number = numbers[process.arch] ?? numbers['x64']!
const rowsOf = (path: string, attach: boolean): string => {
  const database = new DatabaseSync(attach ? ':memory:' : path)
  if (attach) database.exec(`ATTACH '${path.replaceAll("'", "''")}' AS other`)
  const row = database.prepare(`SELECT * FROM ${attach ? 'other.' : ''}secret`).get()
  return got(JSON.stringify(row))
}

export const hazards: Readonly<Record<string, Hazard>> = {
  ...pureHazards,
  abort: () => process.abort(),
  segfault: () => {
    process.kill(process.pid, 'SIGSEGV')
    return new Promise(() => {})
  },
  exit: () => process.exit(3),
  descriptors: () => {
    const held: number[] = []
    try {
      for (;;) held.push(openSync('/dev/null', 'r'))
    } catch (error) {
      throw new Error(`refused after ${held.length} files: ${(error as Error).message}`, { cause: error })
    }
  },
  'fork-bomb': async () => {
    let started = 0
    for (; started < 500; started += 1) {
      const child = spawn('sleep', ['30'], { stdio: 'ignore' })
      const fault = await new Promise<Error | undefined>((resolve) => {
        child.once('spawn', () => resolve(undefined))
        child.once('error', resolve)
      })
      if (fault) throw new Error(`refused after ${started} processes: ${fault.message}`)
    }
    return got(`${started} processes`)
  },
  'print-flood': () => {
    const lines = 'x\n'.repeat(10_000)
    for (;;) {
      try {
        writeSync(2, lines)
      } catch {
        // Nobody takes it at the moment: again.
      }
    }
  },
  'disk-fill': () => {
    const directory = own()
    const file = openSync(join(directory, 'full'), 'w')
    const block = Buffer.alloc(1_000_000, 1)
    let megabytes = 0
    try {
      for (; megabytes < 300; megabytes += 1) writeSync(file, block)
    } catch (error) {
      throw new Error(`refused after ${megabytes} MB: ${(error as Error).message}`, { cause: error })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
    return got(`${megabytes} MB of the machine's disk`)
  },
  'neighbour-file': ({ neighbourFile }) => got(readFileSync(neighbourFile, 'utf8')),
  'neighbour-environment': ({ neighbourPid }) => got(readFileSync(`/proc/${neighbourPid}/environ`, 'latin1')),
  'neighbour-kill': ({ neighbourPid }) => {
    process.kill(neighbourPid, 'SIGKILL')
    return got('a signal through')
  },
  network: ({ port }) => dial({ host: '127.0.0.1', port }),
  'record-file': ({ record }) => got(readFileSync(record).subarray(0, 15).toString('latin1')),
  'record-sqlite': ({ record }) => rowsOf(record, false),
  'record-attach': ({ record }) => rowsOf(record, true),
  vault: ({ vault }) => rowsOf(vault, false),
  symlink: ({ record }) => {
    const link = join(own(), 'link')
    rmSync(link, { force: true })
    symlinkSync(record, link)
    return got(readFileSync(link).subarray(0, 15).toString('latin1'))
  },
  'hard-link': ({ record }) => {
    const link = join(own(), 'hard')
    rmSync(link, { force: true })
    linkSync(record, link)
    return got(readFileSync(link).subarray(0, 15).toString('latin1'))
  },
  'program-write': ({ program }) => {
    const path = join(program, `villain-was-here-${process.pid}`)
    writeFileSync(path, 'x')
    rmSync(path)
    return got('to write beside its program')
  },
  'system-write': () => {
    const path = `/usr/villain-was-here-${process.pid}`
    writeFileSync(path, 'x')
    rmSync(path)
    return got('to write in /usr')
  },
  'kernel-setting': () => {
    const path = '/proc/sys/kernel/core_pattern'
    writeFileSync(path, readFileSync(path, 'utf8'))
    return got('to write a setting of the kernel')
  },
  'proc-list': ({ sitterPid }) => {
    if (!readdirSync('/proc').includes(String(sitterPid))) throw new Error('the sitter is not in its /proc')
    return got(readFileSync(`/proc/${sitterPid}/cmdline`, 'latin1'))
  },
  'proc-memory': ({ sitterPid }) =>
    python(
      `import re\nm=open('/proc/${sitterPid}/maps').read()\nf=open('/proc/${sitterPid}/mem','rb',0)\n` +
        `for l in m.split('\\n'):\n p=l.split()\n if len(p)>1 and p[1].startswith('rw'):\n  a,b=[int(x,16) for x in p[0].split('-')]\n` +
        `  try:\n   f.seek(a); d=f.read(min(b-a,1<<24))\n  except OSError: continue\n  if b'canary-of-the-sitter' in d: print('the canary'); break\n`,
    ),
  'sitter-signal': ({ sitterPid }) => {
    process.kill(sitterPid, 'SIGCONT')
    return got('a signal through')
  },
  ptrace: ({ sitterPid }) => system(`${number.ptrace},16,${sitterPid},0,0`),
  socket: ({ socket }) => dial({ path: socket }),
  'abstract-socket': ({ abstractSocket }) => dial({ path: `\0${abstractSocket}` }),
  vsock: () => python("import socket\ns=socket.socket(40,socket.SOCK_STREAM)\nprint('a socket out of the machine')"),
  tiocsti: () =>
    python(
      `import fcntl,os,pty\nm,s=pty.openpty()\nos.setsid() if os.getpid()!=os.getsid(0) else 0\n` +
        `fcntl.ioctl(s,0x540E,0)\nfcntl.ioctl(s,0x5412,b'x')\nprint('to type as if it were a person')`,
    ),
  'own-namespaces': () => system(`${number.unshare},0x10000000`),
  keyring: () => system(`${number.keyctl},0,-4,1`),
  // What is asked for is nonsense: to be told so is to have reached it.
  bpf: () =>
    python(
      `${libc}r=libc.syscall(${number.bpf},0,0,0)\ne=ctypes.get_errno()\nif e!=22: raise OSError(e, os.strerror(e))\nprint('through to it')`,
    ),
  daemon: ({ mark }) => {
    const child = spawn('setsid', ['sh', '-c', 'trap "" TERM HUP; while sleep 1; do :; done', mark], {
      stdio: 'ignore',
      detached: true,
    })
    child.unref()
    return `started ${child.pid}`
  },
}

export const began = 'the villain begins'

interface Ask {
  readonly hazard: string
  readonly targets: Targets
}

export const attack = async ({ hazard, targets }: Ask): Promise<string> => {
  try {
    return String(await hazards[hazard]!(targets))
  } catch (error) {
    return `refused: ${(error as NodeJS.ErrnoException).code ?? ''} ${(error as Error).message}`.slice(0, 300)
  }
}

if (process.argv[2] === 'program') {
  const ask = JSON.parse(readFileSync(0, 'utf8')) as Ask
  // Kept alive: an end is to be seen as one.
  setInterval(() => {}, 1_000)
  // Without this word no attempt was made, and nothing is proven by its end.
  process.stderr.write(`${began}\n`)
  process.stdout.write(JSON.stringify(await attack(ask)), () => process.exit(0))
}
