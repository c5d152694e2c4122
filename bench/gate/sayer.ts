/** An upstream of slow streams, in a process of its own: a line of 100 bytes now and then. Tells its port. */
import { createServer } from 'node:http'

const everyMs = Number(process.argv[2])
const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let count = 0
  const say = (): void => {
    count += 1
    response.write(`data: ${String(count).padEnd(92, 'x')}\n\n`)
  }
  say()
  // Spread over the time between two lines, so that they do not all speak at once.
  const begin = setTimeout(() => {
    const timer = setInterval(say, everyMs)
    response.on('close', () => clearInterval(timer))
  }, Math.random() * everyMs)
  response.on('close', () => clearTimeout(begin))
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  process.stdout.write(`${(server.address() as { readonly port: number }).port}\n`)
})
process.stdin.on('close', () => process.exit(0)).resume()
