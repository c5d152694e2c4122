/**
 * The thread that writes what calls write, on a connection of its own: each batch is one commit, told when it is
 * durable. Who reads gate.db by another connection sees a commit when it is flushed, and not before.
 */
import { flushCompileCache } from 'node:module'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { commit } from './commit.ts'
import { openHot, type HotValue } from './hot.ts'
import { unpacked, type Parcel } from './parcel.ts'
import type { BatchTold } from './thread.ts'

const port = parentPort!
const { path } = workerData as { readonly path: string }
const db = new DatabaseSync(path, { timeout: 5_000 })
db.exec('PRAGMA synchronous = FULL')
// All its files are opened now: the gate changes to a user who may open none of them.
db.exec('BEGIN IMMEDIATE; COMMIT')
const hot = openHot(db)

const written = (parcel: Parcel): BatchTold => {
  const { writes, limits } = unpacked(parcel)
  let values: readonly HotValue[] = []
  const committed = commit(db, () => {
    hot.forget()
    values = hot.write(writes)
    hot.finish(limits)
  })
  if (committed.as === 'durable') return { as: 'durable', values }
  return { as: committed.as, message: String(committed.cause) }
}

port.on('message', (message: Parcel | 'end') => {
  if (message !== 'end') return port.postMessage(written(message))
  db.close()
  port.close()
})
// A killed gate writes no compile cache, and a thread's is its own.
flushCompileCache()
port.postMessage('open')
