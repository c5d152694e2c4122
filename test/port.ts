/**
 * A port for a program that is started in a moment. Not one of those that the system gives to outgoing connections and to
 * `listen(0)`: such a one, free now, is somebody's connection by the time that the program wants it.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [first, behind] = [10_240, 32_768]
const given = new Set<number>()

/** A port of 127.0.0.1 that nobody listens on, and that this process has given to nobody. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(first, behind)
    if (given.has(port)) continue
    const server = createServer()
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening')
    } catch {
      continue
    }
    server.close()
    await once(server, 'close')
    given.add(port)
    return port
  }
}
