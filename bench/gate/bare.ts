/** The least that a proxy in Node is: its HTTP server and undici, and nothing between. Arguments: socket, upstream. */
import { createServer } from 'node:http'
import { Pool } from 'undici'

const [, , socketPath = '', upstream = ''] = process.argv
const pool = new Pool(`http://${upstream}`, { connections: 512, pipelining: 1 })
const server = createServer((request, response) => {
  pool.dispatch(
    { method: 'GET', path: request.url!, headers: ['accept', 'application/json'] },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, status, headers) => {
        response.writeHead(status, headers as Record<string, string>)
      },
      onResponseData: (_controller, chunk) => {
        response.write(chunk)
      },
      onResponseEnd: () => response.end(),
      onResponseError: () => response.destroy(),
    },
  )
})
server.listen(socketPath, () => process.stdout.write('ready\n'))
process.stdin.on('close', () => process.exit(0)).resume()
