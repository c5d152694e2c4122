/**
 * The command line of bubblewrap: what a program sees, and as whom it sees it. Pure but for the look at how this
 * machine's system folders lie. Every path is an argument of its own; no shell reads any of it.
 *
 * Inside: the system read-only, what the program needs read-only at its own path, /tmp of a bounded size as the one
 * place to write, the cell's two sockets in /run/sitter, its own processes, no network, nothing else.
 */
import { lstatSync, readlinkSync } from 'node:fs'
import { dirname } from 'node:path'

export const insideSockets = '/run/sitter'
export const insideHome = '/tmp'

export interface Hidden {
  readonly path: string
  readonly is: 'directory' | 'file'
}

export interface Enclosed {
  readonly bwrap: string
  /** The user that the program becomes; null where we cannot change users: then a user namespace takes its powers. */
  readonly uid: number | null
  readonly setpriv: string
  /** Files and folders that are seen read-only, at their own paths. */
  readonly readable: readonly string[]
  /** A folder that is seen although what lies around it is hidden, at its own path. */
  readonly kept?: { readonly path: string; readonly writes: boolean }
  /** What lies in there and is not seen. */
  readonly hidden: readonly Hidden[]
  /** The folder with the cell's sockets. */
  readonly sockets: string
  readonly diskBytes: number
  readonly cwd: string
  /** Words between the walls and the program: what bounds it in there, where no control group does. */
  readonly before: readonly string[]
  /** Descriptor of the filter's bytes. */
  readonly filter: number | null
  /** Descriptor on which bwrap says what became of the program. */
  readonly status: number | null
}

/** Of /etc only what programs need to find libraries, names, times and certificates; no users, no settings. */
const etc = [
  'alternatives',
  'ca-certificates',
  'ca-certificates.conf',
  'crypto-policies',
  'gai.conf',
  'host.conf',
  'hosts',
  'java-17-openjdk',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'os-release',
  'pki/tls/certs',
  'pki/ca-trust',
  'protocols',
  'python3',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'timezone',
]

const systemFolders = ['/bin', '/sbin', '/lib', '/lib64', '/lib32', '/libx32']

/** On most machines /bin is a link into /usr; where it is a folder it is seen as one. */
const lieOf = (path: string): readonly string[] => {
  try {
    return lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path]
  } catch {
    return [] // this machine has none
  }
}

const usr = ['--ro-bind', '/usr', '/usr']
const folder = (path: string): readonly string[] => ['--perms', '0755', '--dir', path]

export const systemArguments = (): readonly string[] => [
  ...usr,
  ...systemFolders.flatMap(lieOf),
  // bubblewrap makes a folder above what is bound as closed as it finds it above; these are to be seen.
  ...['/etc', '/etc/ssl', '/etc/pki', '/etc/pki/tls'].flatMap(folder),
  ...etc.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
]

const isWithin = (path: string, place: string): boolean => path === place || path.startsWith(`${place}/`)

/** Whether a path is seen inside by being the system's. */
export const isSystem = (path: string): boolean => [...systemFolders, '/usr'].some((place) => isWithin(path, place))

const ancestorsOf = (path: string): readonly string[] => {
  const above = dirname(path)
  return above === '/' ? [] : [...ancestorsOf(above), above]
}

/** Shared memory is a disk too; programs that use it need little. */
const sharedBytes = (diskBytes: number): number => Math.min(diskBytes, 16 * 1_048_576)

const bindsOf = ({ readable, kept, hidden, sockets, cwd }: Enclosed): readonly string[] => {
  const shortFirst = [...new Set(readable)].toSorted((one, other) => one.length - other.length)
  // What lies in a folder that is seen is seen with it.
  const needed = shortFirst.filter(
    (path, index) => !isSystem(path) && !shortFirst.slice(0, index).some((place) => isWithin(path, place)),
  )
  const places = [...needed, ...(kept === undefined ? [] : [kept.path]), insideSockets]
  // Folders above a place are bwrap's own: seen by the program's user too, whatever they are outside.
  const above = new Set(
    [...places.flatMap(ancestorsOf), ...ancestorsOf(cwd), cwd].filter(
      (path) => path !== '/' && path !== insideHome && !isSystem(path),
    ),
  )
  const inView = hidden.filter(({ path }) => needed.some((place) => isWithin(path, place)))
  // What lies behind a cover is covered.
  const masked = inView.filter(
    ({ path }) =>
      !inView.some((other) => other.path !== path && other.is === 'directory' && isWithin(path, other.path)),
  )
  return [
    ...[...above].flatMap(folder),
    ...needed.flatMap((path) => ['--ro-bind', path, path]),
    ...masked.flatMap(({ path, is }) =>
      is === 'file' ? ['--ro-bind', '/dev/null', path] : ['--perms', '0755', '--size', '65536', '--tmpfs', path],
    ),
    // What lies behind a cover and is seen all the same needs folders in there, before it is closed.
    ...[...above].filter((path) => masked.some((one) => isWithin(path, one.path))).flatMap(folder),
    ...(kept === undefined ? [] : [kept.writes ? '--bind' : '--ro-bind', kept.path, kept.path]),
    '--ro-bind',
    sockets,
    insideSockets,
    ...masked.flatMap(({ path, is }) => (is === 'directory' ? ['--remount-ro', path] : [])),
  ]
}

const powers = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP']
/** Powers that setpriv needs to become the cell's user, and gives up with that; a user namespace needs none. */
const asWhom = (uid: number | null): readonly string[] =>
  uid === null
    ? ['--unshare-user', '--disable-userns', '--uid', '1000', '--gid', '1000', '--cap-drop', 'ALL']
    : ['--cap-drop', 'ALL', ...powers.flatMap((one) => ['--cap-add', one])]

const becoming = (setpriv: string, uid: number): readonly string[] => {
  const user = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups']
  return [setpriv, ...user, '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs', '--']
}

const namespaces = ['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try']
const manners = ['--die-with-parent', '--new-session', '--hostname', 'cell']

/**
 * Settings of the kernel, which belong to root by number: in a user namespace of root's they would be open to it, and
 * bubblewrap 0.8 covers them only where it sees that it may write the folder itself.
 */
const settings = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs', 'acpi', 'scsi'].flatMap((name) => {
  const path = `/proc/${name}`
  return ['--ro-bind-try', path, path]
})

/** Devices that every program expects, and nothing that can be written in there but shared memory. */
const devicesOf = (diskBytes: number): readonly string[] => {
  const shared = ['--perms', '1777', '--size', String(sharedBytes(diskBytes)), '--tmpfs', '/dev/shm']
  return ['--proc', '/proc', ...settings, '--dev', '/dev', ...shared, '--remount-ro', '/dev']
}

/** All words, up to those of the program itself. */
export const bwrapWords = (enclosed: Enclosed, system: readonly string[]): readonly string[] => {
  const { bwrap, uid, setpriv, diskBytes, cwd, before, filter, status } = enclosed
  const disk = ['--perms', '1777', '--size', String(diskBytes), '--tmpfs', insideHome]
  const ending = ['--remount-ro', '/', '--chdir', cwd]
  const inside = [...system, ...devicesOf(diskBytes), ...disk, ...bindsOf(enclosed), ...ending]
  return [
    bwrap,
    ...namespaces,
    ...asWhom(uid),
    ...manners,
    ...inside,
    ...(filter === null ? [] : ['--seccomp', String(filter)]),
    ...(status === null ? [] : ['--json-status-fd', String(status)]),
    '--',
    ...(uid === null ? [] : becoming(setpriv, uid)),
    ...before,
  ]
}
