/**
 * A provider that only counts: each request is in its log before it is answered. A process of its own, told by its
 * parent how to answer. Each line: when (Unix ms with a fraction), how, path.
 */
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'

export type How =
  | { readonly how: 'ok' | 'cut' }
  /** The next request is refused like this, those after it are answered. */
  | { readonly how: 'limit-once'; readonly retryAfterS: number }

const [port, logFile] = process.argv.slice(2) as [string, string]
const log = openSync(logFile, 'a')
let now: How = { how: 'ok' }
const say = (what: string, path: string): void => {
  writeSync(log, `${(performance.timeOrigin + performance.now()).toFixed(3)} ${what} ${path}\n`)
}

const server = createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    const path = request.url ?? ''
    if (now.how === 'cut') {
      say('cut', path)
      return request.socket.destroy()
    }
    if (now.how === 'limit-once') {
      say('limited', path)
      response.writeHead(429, { 'retry-after': String(now.retryAfterS) })
      now = { how: 'ok' }
    } else say('ok', path)
    response.end('ok')
  })
})
process.on('message', (how: How) => {
  now = how
  process.send!('told')
})
process.on('disconnect', () => process.exit(0))
server.listen(Number(port), '127.0.0.1', () => process.send!('open'))
