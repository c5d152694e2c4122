/**
 * The same with a plain fork loop (a parent that forks again when its child exits) or pm2 (fork mode, no delay); ready =
 * the new process has told its pid.
 */
import { fork } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'

const { directory, options } = JSON.parse(process.argv[2])
const socketPath = join(directory, 'ready.sock')
const script = join(import.meta.dirname, 'child.mjs')
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

let tell = () => {}
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', (text) => tell(Number(String(text))))
})
await new Promise((resolve) => server.listen(socketPath, resolve))
const nextReady = () =>
  new Promise((resolve) => {
    tell = resolve
  })

const forkLoop = () => {
  let child
  let stopped = false
  const begin = () => {
    child = fork(script, { env: { ...process.env, BENCH_SOCKET: socketPath } })
    child.once('exit', () => {
      if (!stopped) begin()
    })
  }
  begin()
  return {
    stop: async () => {
      stopped = true
      child.kill('SIGKILL')
    },
  }
}

const pm2Loop = async () => {
  process.env.PM2_HOME = join(directory, 'pm2')
  const { default: pm2 } = await import('pm2')
  const call = (name, ...given) =>
    new Promise((resolve, reject) => {
      pm2[name](...given, (error, value) => (error ? reject(error) : resolve(value)))
    })
  await call('connect')
  const started = call('start', {
    name: 'bench',
    script,
    exec_mode: 'fork',
    restart_delay: 0,
    min_uptime: 100,
    max_restarts: 10_000,
    env: { BENCH_SOCKET: socketPath },
  })
  // Its daemon outlives us unless it is told.
  await started.catch(async (error) => {
    await call('killDaemon')
    throw error
  })
  return {
    stop: async () => {
      await call('delete', 'bench')
      await call('killDaemon')
    },
  }
}

const first = nextReady()
const loop = options.how === 'pm2' ? await pm2Loop() : forkLoop()
let pid = await first
const tookMs = []
for (let index = 0; index < options.kills; index += 1) {
  await pause(200)
  const ready = nextReady()
  const startMs = performance.now()
  process.kill(pid, 'SIGKILL')
  pid = await ready
  tookMs.push(performance.now() - startMs)
}
await loop.stop()
const sorted = tookMs.toSorted((a, b) => a - b)
const figures = { 'ready p50 ms': sorted[Math.ceil(sorted.length / 2) - 1], 'ready max ms': sorted.at(-1) }
process.stdout.write(`\n${JSON.stringify({ figures, delivery: null, facts: { tookMs } })}\n`)
process.exit(0)
