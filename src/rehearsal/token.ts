/** The token that the bank issues to its one client: made once, kept 0600 beside the log, compared in constant time. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'

/**
 * The kept token, or a new one that is durable before it is used: a provider that forgot it would refuse its own
 * client.
 */
export const tokenIn = async (file: string): Promise<string> => {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const token = `rehearsal_${randomBytes(24).toString('base64url')}`
  const handle = await open(`${file}.tmp`, 'w', 0o600)
  try {
    await handle.writeFile(`${token}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.tmp`, file)
  return token
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

export const bearerIs = (token: string) => {
  const wanted = digest(`Bearer ${token}`)
  return (header: string | undefined): boolean => timingSafeEqual(digest(header ?? ''), wanted)
}
