/**
 * What ends the programs of a sitter that was killed. Each program runs in a process group of its own, out of reach of
 * whoever ends the sitter's group; the kernel ends the program with its sitter (where setpriv is), but not the
 * children of the program. So one small shell, in a session of its own, is told every group. When its line to the
 * sitter ends, whatever the cause, it kills the groups that are left, and ends.
 *
 * What it cannot reach: a process that began a session of its own. Only a sandbox holds one of those.
 */
import type { Child, Proc } from '../../std/std.ts'

/** `+ 123` is a group that lives, `- 123` one that is gone. POSIX sh, nothing but builtins: about 1 MB. */
const script = `groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done <&3
for group in $groups; do kill -s KILL -- "-$group"; done`

export interface Reaper {
  /** Resolves when the reaper has been told; rejects when no shell can be started. */
  add(group: number): Promise<void>
  remove(group: number): void
}

/** So often a shell is started again by itself; after that, with the next group. */
const mostRestarts = 10

/** Starts its shell with the first group; one that somebody kills is started again while there are groups. */
export const openReaper = (proc: Proc): Reaper => {
  const groups = new Set<number>()
  let shell: Promise<Child> | undefined
  let restarts = 0

  const start = async (): Promise<Child> => {
    const child = await proc.spawn({
      command: '/bin/sh',
      args: ['-c', script, 'sitter-reaper'],
      env: {},
      cwd: '/',
      ownGroup: true,
      dieWithParent: false,
      onPrivateLine: () => {
        /* it says nothing; the line is there for its end */
      },
    })
    void child.ended.then(() => {
      shell = undefined
      if (groups.size > 0 && (restarts += 1) <= mostRestarts) void open()
    })
    for (const group of groups) child.tell(`+ ${group}`)
    return child
  }

  const open = (): Promise<Child> => {
    shell = start()
    shell.catch(() => {
      shell = undefined
    })
    return shell
  }

  return {
    add: async (group) => {
      groups.add(group)
      restarts = 0
      if (shell === undefined) await open()
      else (await shell).tell(`+ ${group}`)
    },
    remove: (group) => {
      if (!groups.delete(group)) return
      shell?.then(
        (child) => child.tell(`- ${group}`),
        () => {
          /* no shell, nothing to tell */
        },
      )
    },
  }
}
