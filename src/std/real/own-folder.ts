/** Folders that lie where everybody may make some. */
import { chmod, lstat, mkdir } from 'node:fs/promises'
import { failure } from '../failure.ts'

const make = async (path: string): Promise<void> => void (await mkdir(path, { recursive: true, mode: 0o700 }))

/**
 * A folder that this user alone enters. Below `home` it is as private as that is; elsewhere it has a name that anybody
 * might have taken (/tmp is everybody's), and whoever owned it could stand between the swarm's programs, which meet
 * there. Who owns the folder in which it lies is trusted.
 *
 * @throws `place-taken` when something else is there: a folder of another user, a link, a file.
 */
export const makeOwnFolder = async (path: string, home: string): Promise<void> => {
  if (path.startsWith(`${home}/`)) return make(path)
  // What is there instead is looked at.
  const failed = await make(path).catch((error: Error) => error)
  const found = await lstat(path).catch(() => undefined) // absent
  if (found === undefined) throw failed ?? failure('bug', `${path} was made, and is not there`)
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? found.uid))
    throw failure('place-taken', `${path} is not a folder of this user, and sockets of the swarm would lie there`)
  await chmod(path, 0o700)
}
