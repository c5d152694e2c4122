/**
 * What the gate does on its machine beside gate.db: files of the vault's key, and programs that rotate. Done by the
 * gate itself, or, where that has a user of its own, by its porter.
 */
import { constants } from 'node:fs'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Failure, type Clock, type Proc } from './std/std.ts'
import type { KeyFiles, RunCommand } from './vault/vault.ts'

const syncFolder = async (path: string): Promise<void> => {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export const realKeyFiles = (): KeyFiles => ({
  read: async (path) => {
    try {
      // One descriptor for both: what was looked at is what is read.
      const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
      try {
        const { mode, uid } = await handle.stat()
        return { bytes: await handle.readFile(), mode: mode & 0o7777, owner: uid }
      } finally {
        await handle.close()
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw new Failure('key-missing', `${path} cannot be read: ${code ?? 'unknown error'}`, { cause: error })
    }
  },
  create: async (path, text) => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const draft = `${path}.draft`
    const handle = await open(draft, 'w', 0o600)
    try {
      await handle.chmod(0o600)
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // A link, unlike a rename, takes nobody's place.
    try {
      await link(draft, path)
    } finally {
      await rm(draft, { force: true })
    }
    await syncFolder(dirname(path))
  },
  rename: async (from, to) => {
    await rename(from, to)
    await syncFolder(dirname(to))
  },
  remove: (path) => rm(path, { force: true }),
  self: process.getuid?.() ?? null,
})

/** A key is short; a program that prints more than this many reads says something else. */
const mostChunks = 64

/** Programs of the operator that rotate a secret: it comes and goes by their stdin and stdout alone. */
export const runWith =
  (proc: Proc, clock: Clock, own: Readonly<Record<string, string | undefined>>): RunCommand =>
  async ({ command: [program = '', ...args], directory, environment, input, withinMs }) => {
    const chunks: Uint8Array[] = []
    const passed = ['PATH', 'HOME', 'LANG'].flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]]))
    const child = await proc.spawn({
      command: program,
      args,
      env: { ...(Object.fromEntries(passed) as Record<string, string>), ...environment },
      cwd: directory,
      ownGroup: true,
      dieWithParent: true,
      onOutput: (chunk) => {
        if (chunks.length < mostChunks) chunks.push(chunk)
      },
      input,
    })
    const cancel = clock.timer(withinMs, () => child.killGroup('SIGKILL'))
    await child.closed
    cancel()
    child.killGroup('SIGKILL')
    const { code } = await child.ended
    return { code, output: Buffer.concat(chunks).toString('utf8') }
  }
