/**
 * What ends the programs of a sitter that was killed. Each program runs in a process group of its own, out of reach of
 * whoever ends the sitter's group; the kernel ends the program with its sitter (where setpriv is), but not the
 * children of the program. So one small shell, in a session of its own, is told every group. When its line to the
 * sitter ends, whatever the cause, it kills the groups that are left, and ends.
 *
 * What began a session of its own is out of reach of a group's signal; where the program is in a control group, or in a
 * sandbox, that ends with the rest.
 */
import type { Child, Proc } from '../../std/std.ts'

/**
 * `+ 123 /sys/fs/cgroup/…` is a group that lives, with its control group where it has one; `- 123` one that is gone.
 * POSIX sh, nothing but builtins: about 1 MB. What is evaluated is a number of ours and nothing else. In a group that
 * cannot be killed at once, whoever was born meanwhile is found by looking again.
 */
const script = `groups=' '
while read -r sign group directory; do
  case $sign in
    +) groups="$groups$group "; eval "directory_$group=\\$directory" ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done <&3
for group in $groups; do kill -s KILL -- "-$group"; done
for group in $groups; do
  eval "directory=\\$directory_$group"
  [ -n "$directory" ] || continue
  [ -w "$directory/cgroup.kill" ] && echo 1 > "$directory/cgroup.kill"
  for try in 1 2 3 4 5 6 7 8 9 10; do
    while read -r pid; do kill -s KILL "$pid"; done < "$directory/cgroup.procs"
  done
done`

export interface Reaper {
  /** Resolves when the reaper has been told; rejects when no shell can be started. */
  add(group: number, controlGroup?: string | null): Promise<void>
  remove(group: number): void
}

/** So often a shell is started again by itself; after that, with the next group. */
const mostRestarts = 10

/** Starts its shell with the first group; one that somebody kills is started again while there are groups. */
export const openReaper = (proc: Proc): Reaper => {
  /** Each with the line that tells of it. */
  const groups = new Map<number, string>()
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
    for (const line of groups.values()) child.tell(line)
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
    add: async (group, controlGroup) => {
      const line = `+ ${group}${controlGroup ? ` ${controlGroup}` : ''}`
      groups.set(group, line)
      restarts = 0
      if (shell === undefined) await open()
      else (await shell).tell(line)
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
