/**
 * graphile-worker on PostgreSQL, handlers in this process. `localQueue` > 0 is its tuned form: prefetch, and outcomes
 * written in batches. It records no result, so the outcome is kept here until its `job:complete`.
 */
import { run } from 'graphile-worker'
import pg from 'pg'
import { EventEmitter } from 'node:events'

const silent = { error: (message) => console.error(message), warning: () => {}, info: () => {}, debug: () => {} }

export const open = async ({ postgres, options, done }) => {
  const { Logger, makeWorkerUtils } = await import('graphile-worker')
  const logger = new Logger(() => (level, message) => silent[level]?.(message))
  const pgPool = new pg.Pool({ connectionString: postgres, max: options.concurrency + 10 })
  const utils = await makeWorkerUtils({ pgPool, logger })
  await utils.migrate()
  const outcomes = new Map()
  let runs = 0
  const taskList = {
    nothing: async (payload, { job }) => {
      runs += 1
      outcomes.set(job.id, { n: payload.n, pid: process.pid, runs })
    },
  }
  const events = new EventEmitter()
  events.on('job:complete', ({ job, error }) => {
    if (error) return console.error(error)
    done(outcomes.get(job.id))
    outcomes.delete(job.id)
  })
  let runner
  return {
    submit: async (payload) => {
      await utils.addJob('nothing', payload)
    },
    submitMany: async (payloads) => {
      await utils.addJobs(payloads.map((payload) => ({ identifier: 'nothing', payload })))
    },
    work: async () => {
      const tuned =
        options.localQueue > 0
          ? { localQueue: { size: options.localQueue }, completeJobBatchDelay: 0, failJobBatchDelay: 0 }
          : {}
      runner = await run({
        pgPool,
        logger,
        taskList,
        events,
        noHandleSignals: true,
        preset: { worker: { concurrentJobs: options.concurrency, pollInterval: 1_000, ...tuned } },
      })
    },
    facts: async () => {
      const { rows } = await pgPool.query('SELECT count(*)::int AS left FROM graphile_worker._private_jobs')
      return rows[0]
    },
    close: async () => {
      await runner?.stop()
      await utils.release()
      await pgPool.end()
    },
  }
}
