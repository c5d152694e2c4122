/** Folders that nobody else may have a hand in. */
import { chmod, lstat, mkdir } from 'node:fs/promises'
import { failure } from '../failure.ts'

/**
 * A folder that this user alone enters, at a name that anybody might have taken: /tmp is everybody's, and whoever owned
 * the folder could stand between the swarm's programs, which meet there.
 *
 * @throws `place-taken` when something else is there: a folder of another user, a link, a file.
 */
export const makeOwnFolder = async (path: string): Promise<void> => {
  const failed = await mkdir(path, { recursive: true, mode: 0o700 }).then(
    () => undefined,
    (error: Error) => error,
  )
  const found = await lstat(path).catch(() => undefined) // absent
  if (found === undefined) throw failed ?? failure('bug', `${path} was made, and is not there`)
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid))
    throw failure('place-taken', `${path} is not a folder of this user, and sockets of the swarm would lie there`)
  await chmod(path, 0o700)
}
