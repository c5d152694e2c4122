/**
 * A user of its own for the gate, where it is started by root: no other process of the machine but root's may then
 * signal it, trace it or read its memory, and what it could do when it is taken over is not root's any more. It opens
 * what only root may open, and then changes; the kernel makes a process that changes its user unreadable for that user,
 * too (commit_creds sets `dumpable` to suid_dumpable).
 */
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { userNumbersOf } from './model/users.ts'

export interface GateUser {
  /** Null where there are no users. */
  readonly uid: number | null
  /** Nobody else runs as it. */
  readonly own: boolean
  /** Only root may read its memory; null = not known. */
  readonly hidden: boolean | null
  /** Why it has no user of its own; null when it has. */
  readonly why: string | null
}

export interface UserSeen {
  readonly uid: number | null
  /** CapEff of /proc/self/status, as hex. */
  readonly powers: string | null
  /** Lines of /proc/self/uid_map. */
  readonly uidMap: string | null
  readonly gidMap: string | null
  /** A path of the program that others may not read; code is loaded from it later on, too. */
  readonly unreadable: string | null
}

const capabilities = { setgid: 6, setuid: 7 } as const

const maps = (text: string, id: number): boolean =>
  text.split('\n').some((line) => {
    const [inside, , count] = line.trim().split(/\s+/).map(Number)
    return inside !== undefined && count !== undefined && id >= inside && id < inside + count
  })

/** Why it stays the user that it is; null = it may become `wanted`. Pure. */
export const staysBecause = (seen: UserSeen, wanted: number): string | null => {
  const { uid, powers, uidMap, gidMap, unreadable } = seen
  if (uid === null) return 'this system has no user ids'
  if (uid !== 0) return `only root may give it another: it runs as uid ${uid}, as the sitter does`
  if (powers === null || uidMap === null || gidMap === null) return 'what this process may do cannot be seen'
  const bits = BigInt(`0x${powers}`)
  if (Object.values(capabilities).some((bit) => ((bits >> BigInt(bit)) & 1n) === 0n))
    return 'root may not change users here (CAP_SETUID and CAP_SETGID are taken)'
  if (!maps(uidMap, wanted) || !maps(gidMap, wanted)) return `this user namespace has no user ${wanted}`
  return unreadable === null ? null : `others than root cannot read ${unreadable}, from which it loads its code`
}

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // no /proc
  }
}

/** The first part of the way to a file that others may not pass, or the file when they may not read it. */
const closedAt = (file: string): string | null => {
  if ((statSync(file).mode & 0o004) === 0) return file
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return folder
    if (dirname(folder) === folder) return null
  }
}

export const seeUser = (): UserSeen => ({
  uid: process.getuid?.() ?? null,
  powers: /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1] ?? null,
  uidMap: read('/proc/self/uid_map'),
  gidMap: read('/proc/self/gid_map'),
  unreadable: closedAt(import.meta.filename) ?? closedAt(fileURLToPath(import.meta.resolve('undici'))),
})

/** What is a process's own in /proc is root's when its memory is closed to its own user. */
const isHidden = (uid: number): boolean | null => {
  try {
    return uid !== 0 && statSync('/proc/self/environ').uid === 0
  } catch {
    return null
  }
}

export const userNow = (why: string | null): GateUser => {
  const uid = process.getuid?.() ?? null
  return { uid, own: why === null, hidden: uid === null ? null : isHidden(uid), why }
}

/** As whom a gate of this swarm would run that is started by this process. */
export const gateUserHere = (swarm: string): GateUser => {
  const { gate } = userNumbersOf(swarm)
  const why = staysBecause(seeUser(), gate)
  return why === null ? { uid: gate, own: true, hidden: true, why } : userNow(why)
}

/** There is no way back. @throws when the kernel refuses: then nothing is known, and the process must end. */
export const becomeUser = (uid: number): void => {
  process.setgroups!([])
  process.setgid!(uid)
  process.setuid!(uid)
  if (process.getuid!() !== uid || process.geteuid!() !== uid || process.getegid!() !== uid)
    throw new Error(`the gate could not become user ${uid}`)
}
