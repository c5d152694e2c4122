/**
 * What this machine really offers to keep agents apart, found out by doing each thing once, with a bound in time. What
 * did not work is told as it was said, with what a person can do about it. The outcome is kept: cells are started by
 * it, and `doctor` shows it.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { absent, enforced, weaker, type Ability } from './ability.ts'
import { limitAbilities, type LimitName } from './limits/abilities.ts'
import { openLimits } from './limits/open.ts'
import type { LimitDriver } from './limits/port.ts'
import { resourceWords } from './limits/resources.ts'
import { becomeWords, strangeDoors } from './process/user.ts'
import { bwrapWords, systemArguments, type Enclosed } from './sandbox/arguments.ts'
import { filterArchitecture, filterBytes } from './sandbox/filter.ts'

export type { Ability } from './ability.ts'
export type AbilityName = 'namespaces' | 'filter' | 'own-user' | 'process-user' | 'death' | LimitName

export interface Machine {
  readonly abilities: Readonly<Record<AbilityName, Ability>>
  readonly limits: LimitDriver
  readonly bwrap: string | null
  readonly setpriv: string | null
  /** The filter of system calls that works here; null = none. */
  readonly filter: Uint8Array | null
  /** Whether a sandbox may have a user of its own. */
  readonly ownUser: boolean
  /** Whether a program without walls may. */
  readonly plainUser: boolean
  readonly system: readonly string[]
}

export interface MachineAsk {
  /** Names our control groups; one for each data directory. */
  readonly name: string
  /** False only looks, and leaves everything as it was. */
  readonly settle: boolean
  /** Where the sockets of programs with a user of their own would lie. */
  readonly doors?: string
  /** Where programs are looked for; tests bring an emptier one. */
  readonly folders?: readonly string[]
}

const usualFolders = ['/usr/local/bin', '/usr/bin', '/bin']
/** A busy machine must not pass for a weak one until the sitter is started again. */
const withinMs = 10_000
/** A user that nobody is; the first of those that cells get. */
const triedUid = 0x70000000

const programIn = (folders: readonly string[], name: string): string | null => {
  const found = folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false // not there, or not for us
      }
    })
  return found ?? null
}

interface Tried {
  readonly ok: boolean
  readonly out: string
  /** The first line of what went wrong. */
  readonly fault: string
}

const attempt = (words: readonly string[], give?: Uint8Array): Promise<Tried> =>
  new Promise((resolve) => {
    const child = spawn(words[0]!, words.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe', 'ignore', ...(give === undefined ? [] : ['pipe' as const])],
      env: { PATH: usualFolders.join(':') },
      timeout: withinMs,
      killSignal: 'SIGKILL',
    })
    let out = ''
    let errors = ''
    child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr!.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.once('error', (error) => resolve({ ok: false, out, fault: error.message }))
    child.once('close', (code, signal) => {
      const said = errors.trim().split('\n')[0]
      resolve({ ok: code === 0, out, fault: said || (signal === null ? `exit code ${code}` : `ended by ${signal}`) })
    })
    if (give === undefined) return
    const line = child.stdio[4] as unknown as Writable
    line.on('error', () => {
      /* it ended without reading: its exit says so */
    })
    line.end(give)
  })

const field = (status: string, name: string): string =>
  status
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))
    ?.slice(name.length + 1)
    .trim()
    .split(/\s/)[0] ?? 'unknown'

const triedDiskBytes = 65_536
const diskIsBounded = 'its disk is bounded'
/** Says what it is, and tries to write twice what its disk holds. */
const inSandbox =
  'cat /proc/self/status; ' +
  `head -c ${2 * triedDiskBytes} /dev/zero > /tmp/tried 2>/dev/null || echo ${diskIsBounded}`

/** A sandbox as cells get it, and what a program in it finds. */
const trySandbox = async (
  programs: { readonly bwrap: string; readonly setpriv: string | null },
  system: readonly string[],
  ask: { readonly uid: number | null; readonly filter: Uint8Array | null },
): Promise<Tried> => {
  const sockets = mkdtempSync(join(tmpdir(), 'sitter-try-'))
  try {
    const enclosed: Enclosed = {
      bwrap: programs.bwrap,
      setpriv: programs.setpriv ?? '',
      uid: ask.uid,
      readable: [],
      hidden: [],
      sockets,
      diskBytes: triedDiskBytes,
      cwd: '/',
      before: [],
      filter: ask.filter === null ? null : 4,
      status: null,
    }
    return await attempt([...bwrapWords(enclosed, system), '/bin/sh', '-c', inSandbox], ask.filter ?? undefined)
  } finally {
    rmSync(sockets, { recursive: true, force: true })
  }
}

const whyNoNamespaces = (fault: string): string =>
  /namespace|uid map|permitted|denied|proc/i.test(fault)
    ? 'allow user namespaces: in Docker --security-opt seccomp=unconfined, apparmor=unconfined and ' +
      'systempaths=unconfined; on Ubuntu an AppArmor profile for bwrap; else sysctl user.max_user_namespaces'
    : 'see what `bwrap --unshare-all --ro-bind / / --proc /proc true` says'

interface Walls {
  readonly namespaces: Ability
  readonly filter: Ability
  readonly ownUser: Ability
  readonly works: {
    readonly filter: Uint8Array | null
    readonly ownUser: boolean
    readonly hasDisk: boolean
  } | null
}

const plainUser = 'cells share this user: only the walls of a sandbox keep them from its files and processes'

const tryWalls = async (bwrap: string | null, setpriv: string | null, system: readonly string[]): Promise<Walls> => {
  const isRoot = process.getuid?.() === 0
  const noUser = isRoot
    ? weaker(
        'sandboxes and pool hosts share the user of this sitter, though it is root',
        'what sandboxes need, setpriv',
      )
    : weaker(plainUser, null)
  if (bwrap === null) {
    const fix = 'install bubblewrap (Debian: apt-get install bubblewrap)'
    const without = absent('bubblewrap is not here', fix)
    return { namespaces: without, filter: without, ownUser: noUser, works: null }
  }
  const architecture = filterArchitecture(process.arch)
  const bytes = architecture === undefined ? null : filterBytes(architecture)
  const programs = { bwrap, setpriv }
  const choices = [
    { uid: isRoot && setpriv !== null ? triedUid : null, filter: bytes },
    { uid: null, filter: bytes },
    { uid: null, filter: null },
  ]
  let fault = ''
  for (const choice of choices) {
    const tried = await trySandbox(programs, system, choice)
    const filtered = field(tried.out, 'Seccomp') === '2'
    const asked = choice.uid === null || field(tried.out, 'Uid') === String(choice.uid)
    const powerless = field(tried.out, 'CapEff') === '0000000000000000' && field(tried.out, 'NoNewPrivs') === '1'
    if (!tried.ok || !asked || !powerless || (choice.filter !== null && !filtered)) {
      fault = tried.ok ? 'a program in the sandbox kept powers that it must not have' : tried.fault
      continue
    }
    const user = choice.uid === null ? noUser : enforced(`each sandbox has a user of its own (tried as ${choice.uid})`)
    return {
      namespaces: enforced(`${bwrap}: own files, processes and network; no powers, no new ones (tried)`),
      filter: filtered
        ? enforced(`system calls that lead out are refused (tried, ${process.arch})`)
        : absent(`no filter of system calls: ${fault || `not written for ${process.arch}`}`, null),
      ownUser: user,
      works: {
        filter: filtered ? choice.filter : null,
        ownUser: choice.uid !== null,
        hasDisk: tried.out.includes(diskIsBounded),
      },
    }
  }
  const namespaces = absent(`${bwrap} makes no sandbox here: ${fault}`, whyNoNamespaces(fault))
  return { namespaces, filter: namespaces, ownUser: noUser, works: null }
}

/** Changing users without a sandbox. */
const tryUser = async (setpriv: string | null, doors: string | null): Promise<Ability> => {
  if (process.getuid?.() !== 0) return weaker(plainUser, null)
  const share = 'programs in process cells share its own'
  if (setpriv === null)
    return weaker(`this sitter cannot change users, though it is root: ${share}`, 'install util-linux (setpriv)')
  const strange = doors === null ? null : strangeDoors(doors)
  if (strange !== null) return weaker(`${strange}, and sockets would lie there: ${share}`, `remove ${doors}`)
  const tried = await attempt([...becomeWords(setpriv, triedUid), '/bin/cat', '/proc/self/status'])
  const isOther = field(tried.out, 'Uid') === String(triedUid) && field(tried.out, 'CapEff') === '0000000000000000'
  return isOther
    ? enforced(`each program in a process cell has a user of its own (tried as ${triedUid})`)
    : absent(`setpriv cannot change users (${tried.fault}): ${share}`, null)
}

const tryResources = async (): Promise<Ability> => {
  const limits = { memoryBytes: 0, cpus: null, processes: 1, files: 61 }
  const words = resourceWords(limits)
  if (words.length === 0) return absent('prlimit is not here: open files have no bound', 'install util-linux (prlimit)')
  const { out, fault } = await attempt([...words, '/bin/cat', '/proc/self/limits'])
  return /^Max open files\s+61\s+61/m.test(out)
    ? enforced('open files and core dumps of each process are bounded (prlimit, tried)')
    : absent(`prlimit sets nothing here: ${fault}`, null)
}

const tryDeath = async (setpriv: string | null): Promise<Ability> => {
  const alone = 'cells end by the end of their socket alone: one that hangs outlives a killed sitter'
  if (setpriv === null) return weaker(`without setpriv, ${alone}`, 'install util-linux (setpriv)')
  const tried = await attempt([setpriv, '--pdeathsig', 'KILL', '/bin/true'])
  return tried.ok
    ? enforced(`the kernel kills cells with their sitter (${setpriv}, tried)`)
    : weaker(`setpriv cannot bind a life to its parent's (${tried.fault}): ${alone}`, null)
}

/** Everything is tried at once; none takes longer than a few seconds, all together some 50 ms where all is well. */
export const probeMachine = async (ask: MachineAsk): Promise<Machine> => {
  const folders = ask.folders ?? usualFolders
  const [bwrap, setpriv] = [programIn(folders, 'bwrap'), programIn(folders, 'setpriv')]
  const system = systemArguments()
  const [walls, plain, limits, files, death] = await Promise.all([
    tryWalls(bwrap, setpriv, system),
    tryUser(setpriv, ask.doors ?? null),
    openLimits(ask),
    tryResources(),
    tryDeath(setpriv),
  ])
  return {
    abilities: {
      namespaces: walls.namespaces,
      filter: walls.filter,
      ...limitAbilities({
        driver: limits,
        isTried: ask.settle || limits.kind === 'cgroup1',
        hasDisk: walls.works?.hasDisk ?? null,
        files,
      }),
      'own-user': walls.ownUser,
      'process-user': plain,
      death,
    },
    limits,
    bwrap: walls.works === null ? null : bwrap,
    setpriv,
    filter: walls.works?.filter ?? null,
    ownUser: walls.works?.ownUser ?? false,
    plainUser: plain.verdict === 'enforced',
    system,
  }
}
