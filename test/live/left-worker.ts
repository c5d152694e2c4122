/** An agent that leaves a daemon behind: out of its session and process group, deaf to what asks it to end. */
import { spawn } from 'node:child_process'
import { defineAgent } from 'swarmsitter/agent'

const leave = (_ctx: unknown, { mark }: { readonly mark: string }): number => {
  const deaf = 'trap "" TERM HUP INT; while sleep 1; do :; done'
  spawn('setsid', ['sh', '-c', deaf, mark], { stdio: 'ignore', detached: true }).unref()
  return process.pid
}

export default defineAgent({ tasks: { walled: leave, bare: leave } })
