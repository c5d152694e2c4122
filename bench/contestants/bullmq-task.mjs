/** BullMQ's sandboxed processor: a process of its own, one task at a time. */
let runs = 0

export default async (job) => {
  runs += 1
  return { n: job.data.n, pid: process.pid, runs }
}
