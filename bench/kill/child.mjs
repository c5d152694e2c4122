/** A bare program, for the plain fork loop and for pm2: tells its pid on the socket as soon as it runs. */
import { connect } from 'node:net'

const socket = connect(process.env.BENCH_SOCKET, () => socket.write(`${process.pid}\n`))
socket.on('error', () => {})
socket.resume()
setInterval(() => {}, 1_000_000)
