/** A server that answers canned documents, and the CLI in a directory that leads to it. Cleaned up after each test. */
import { afterEach } from 'vitest'
import { home, type Ended } from './child.ts'
import { run } from './inside.ts'
import { canned, type Canned } from './server.ts'

export const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

export interface World {
  readonly server: Canned
  readonly directory: string
  readonly sitter: (...args: string[]) => Promise<Ended>
}

export const world = async (routes: Readonly<Record<string, unknown>>): Promise<World> => {
  const server = await canned(routes)
  const { directory, remove } = await home(server.url)
  cleanups.push(server.close, remove)
  return { server, directory, sitter: (...args) => run(directory, args) }
}
