/**
 * The system calls that a sandboxed program is refused, as a program for the kernel's seccomp (classic BPF). A list of
 * what is denied, not of what is allowed: agents are any language, and what would let one out is known. Pure.
 */

/** Numbers of the kernel's two 64-bit architectures that Node runs on; null = that one has no such call. */
const calls: Readonly<Record<string, readonly [x64: number, arm64: number | null]>> = {
  // into other processes
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  move_pages: [279, 239],
  migrate_pages: [256, 238],
  // keys of the user, which know no namespaces
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  // parts of the kernel through which most escapes went
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  // other walls
  unshare: [272, 97],
  setns: [308, 268],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  move_mount: [429, 429],
  open_tree: [428, 428],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_by_handle_at: [304, 265],
  name_to_handle_at: [303, 264],
  fanotify_init: [300, 262],
  // the machine itself
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  syslog: [103, 116],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  personality: [135, 92],
  vhangup: [153, 58],
  lookup_dcookie: [212, 18],
  iopl: [172, null],
  ioperm: [173, null],
  modify_ldt: [154, null],
  uselib: [134, null],
}

export type FilterArchitecture = 'x64' | 'arm64'

interface Numbers {
  readonly index: 0 | 1
  readonly audit: number
  readonly clone: number
  readonly clone3: number
  readonly ioctl: number
  readonly socket: number
}
const architectures: Readonly<Record<FilterArchitecture, Numbers>> = {
  x64: { index: 0, audit: 0xc000003e, clone: 56, clone3: 435, ioctl: 16, socket: 41 },
  arm64: { index: 1, audit: 0xc00000b7, clone: 220, clone3: 435, ioctl: 29, socket: 198 },
}

const EPERM = 1
const ENOSYS = 38
const EAFNOSUPPORT = 97
const allow = 0x7fff0000
const kill = 0x80000000
const error = (errno: number): number => 0x00050000 | errno

/** Types of a terminal's input as if a person had typed it, and the console's own variant of it. */
const terminalInput = [0x5412, 0x541c]
/** CLONE_NEW* flags: user, mount, PID, network, IPC, UTS and cgroup namespaces. */
const newNamespaces = 0x7e020000
/** Unix, IPv4, IPv6, netlink: those that the network namespace holds. AF_VSOCK, for one, it does not. */
const families = [1, 2, 10, 16]
/** Numbers from here on are x32: the same calls by another name. */
const otherAbi = 0x40000000

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number]
const load = (offset: number): Instruction => [0x20, 0, 0, offset]
const give = (verdict: number): Instruction => [0x06, 0, 0, verdict]
/** The next instruction when equal, else the one after it. */
const when = (value: number): Instruction => [0x15, 0, 1, value]
/** An argument's lower half: what the kernel itself takes of these calls' first two. */
const argument = (index: number): Instruction => load(16 + 8 * index)

/** What follows runs only for this call; it must end with a verdict. */
const forCall = (number: number, body: readonly Instruction[]): readonly Instruction[] => [
  [0x15, 0, body.length, number],
  ...body,
]

export const filterProgram = (architecture: FilterArchitecture): readonly Instruction[] => {
  const own = architectures[architecture]
  const denied = Object.values(calls).flatMap((numbers) => numbers[own.index] ?? [])
  return [
    load(4),
    [0x15, 1, 0, own.audit],
    give(kill),
    load(0),
    [0x35, 0, 1, otherAbi],
    give(error(ENOSYS)),
    ...denied.flatMap((number) => [when(number), give(error(EPERM))]),
    // Its arguments lie in memory, where a filter cannot look; libraries fall back to clone when it is not there.
    ...forCall(own.clone3, [give(error(ENOSYS))]),
    ...forCall(own.clone, [argument(0), [0x45, 0, 1, newNamespaces], give(error(EPERM)), give(allow)]),
    ...forCall(own.ioctl, [
      argument(1),
      ...terminalInput.flatMap((request) => [when(request), give(error(EPERM))]),
      give(allow),
    ]),
    ...forCall(own.socket, [
      argument(0),
      ...families.flatMap((family) => [when(family), give(allow)]),
      give(error(EAFNOSUPPORT)),
    ]),
    give(allow),
  ]
}

/** As the kernel reads it: 8 bytes an instruction, in the byte order of both architectures. */
export const filterBytes = (architecture: FilterArchitecture): Uint8Array => {
  const program = filterProgram(architecture)
  const view = new DataView(new ArrayBuffer(program.length * 8))
  program.forEach(([code, ifTrue, ifFalse, k], index) => {
    view.setUint16(index * 8, code, true)
    view.setUint8(index * 8 + 2, ifTrue)
    view.setUint8(index * 8 + 3, ifFalse)
    view.setUint32(index * 8 + 4, k, true)
  })
  return new Uint8Array(view.buffer)
}

export const filterArchitecture = (name: string): FilterArchitecture | undefined =>
  name === 'x64' || name === 'arm64' ? name : undefined
