/**
 * BullMQ on Redis with appendfsync always. `sandboxed`: each task in one of `concurrency` child processes; otherwise in
 * this process. Completed jobs are kept, as ours are.
 */
import { join } from 'node:path'
import { Queue, Worker } from 'bullmq'

export const open = async ({ redis, options, done }) => {
  const connection = { path: redis, maxRetriesPerRequest: null }
  const queue = new Queue('bench', { connection })
  await queue.waitUntilReady()
  let runs = 0
  const inProcess = async (job) => {
    runs += 1
    return { n: job.data.n, pid: process.pid, runs }
  }
  const worker = new Worker('bench', options.sandboxed ? join(import.meta.dirname, 'bullmq-task.mjs') : inProcess, {
    connection,
    concurrency: options.concurrency,
    autorun: false,
  })
  // Told after the script that records the outcome has returned.
  worker.on('completed', (_, outcome) => done(outcome))
  worker.on('error', (error) => console.error(error))
  await worker.waitUntilReady()
  return {
    submit: async (payload) => {
      await queue.add('nothing', payload)
    },
    submitMany: async (payloads) => {
      await queue.addBulk(payloads.map((data) => ({ name: 'nothing', data })))
    },
    work: async () => {
      void worker.run()
    },
    facts: async () => queue.getJobCounts('completed', 'failed', 'active', 'wait'),
    close: async () => {
      await worker.close(true)
      await queue.close()
    },
  }
}
