/**
 * pg-boss on PostgreSQL, handlers in this process. Its `work` polls at most every 0.5 s, so loops of its own `fetch`
 * and `complete` are used instead: its fastest public way.
 */
import { PgBoss } from 'pg-boss'

const idleMs = 2

export const open = async ({ postgres, options, done }) => {
  const boss = new PgBoss({ connectionString: postgres, max: 10, supervise: false, schedule: false })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  await boss.createQueue('bench')
  let runs = 0
  let working = false
  const loops = []
  const loop = async () => {
    while (working) {
      const jobs = await boss.fetch('bench', { batchSize: options.batchSize })
      if (jobs.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, idleMs))
        continue
      }
      const outcomes = jobs.map((job) => {
        runs += 1
        return { n: job.data.n, pid: process.pid, runs }
      })
      await boss.complete(
        'bench',
        jobs.map((job) => job.id),
      )
      outcomes.forEach(done)
    }
  }
  return {
    submit: async (payload) => {
      await boss.send('bench', payload)
    },
    submitMany: async (payloads) => {
      await boss.insert(
        'bench',
        payloads.map((data) => ({ data })),
      )
    },
    work: async () => {
      working = true
      for (let index = 0; index < options.concurrency; index += 1) loops.push(loop())
    },
    facts: async () => ({ queue: await boss.getQueueStats?.('bench') }),
    close: async () => {
      working = false
      await Promise.all(loops)
      await boss.stop({ graceful: false })
    },
  }
}
