/** The real CLI as a child process, in a directory of its own; most tests of verbs need no process (inside.ts). */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { token } from './server.ts'

export const main = resolve(import.meta.dirname, '../../../src/main.ts')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}
export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

/** What is around the CLI in the tests, whatever is around the tests. */
export const surroundings = (): NodeJS.ProcessEnv => {
  const { NO_COLOR: _, SITTER_DATA_DIR: __, ...env } = process.env
  return env
}

export const start = (
  directory: string,
  args: readonly string[],
  options: { readonly stdin?: string; readonly node?: readonly string[]; readonly env?: Record<string, string> } = {},
): Started => {
  const child = spawn(process.execPath, ['--conditions=source', ...(options.node ?? []), main, ...args], {
    cwd: directory,
    env: { ...surroundings(), ...options.env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => {
    /* it may end without reading */
  })
  child.stdin.end(options.stdin ?? '')
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr })) }
}

export const run = (
  directory: string,
  args: readonly string[],
  options?: Parameters<typeof start>[2],
): Promise<Ended> => start(directory, args, options).ended

/** A directory with a `.sitter` in it, as a running sitter leaves it. */
export const home = async (
  url?: string,
): Promise<{ readonly directory: string; readonly remove: () => Promise<void> }> => {
  const directory = await mkdtemp(join(tmpdir(), 'sitter-cli-'))
  if (url !== undefined) {
    await mkdir(join(directory, '.sitter', 'run'), { recursive: true })
    await writeFile(join(directory, '.sitter', 'run', 'api.json'), JSON.stringify({ url, pid: process.pid }))
    await writeFile(join(directory, '.sitter', 'run', 'operator.token'), `${token}\n`, { mode: 0o600 })
  }
  return { directory, remove: () => rm(directory, { recursive: true }) }
}
