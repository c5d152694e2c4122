/**
 * What happens to the PostgreSQL engine when the way to the server or the server itself fails under load: nobody is
 * told "failed" of what was written, nothing acknowledged is missing, nothing is there twice.
 */
import { expect, test } from 'vitest'
import { asksCommit, cutAnswers, deed, judge, loadOn, open, proxy, server, until } from './faulty.ts'

test('ten answers to a COMMIT are cut under load: each is unknown and never "failed", and all of it was written', () =>
  cutAnswers(10))

test('a link cut before the COMMIT was sent has written nothing: the turn runs again, and its callers hear of nothing', async () => {
  const url = await server.database(proxy.port)
  const notices: string[] = []
  const store = await open(url, { onNotice: (message) => notices.push(message) })
  let cuts = 0
  const load = loadOn(store, 'x')
  for (let round = 0; round < 10; round += 1) {
    const before = load.acknowledged.size
    await until(() => load.acknowledged.size > before + 20)
    // The next bytes that are no COMMIT are the beginning of a turn.
    let cut = false
    proxy.onSend = (bytes) => {
      if (cut || asksCommit(bytes) || !bytes.includes('BEGIN\0')) return false
      cut = true
      cuts += 1
      return true
    }
    await until(() => cut)
  }
  proxy.onSend = () => false
  const before = load.acknowledged.size
  await until(() => load.acknowledged.size > before + 20)
  load.enough()
  await load.ended
  expect([cuts, load.refused]).toEqual([10, []])
  expect(notices.join('\n')).toMatch(/broke[^]*reached again/)
  expect(notices.join('\n')).not.toContain('canary')
  expect(await judge(store, load.acknowledged)).toHaveLength(load.acknowledged.size)
})

test('a server that is stopped at once and started again: the engine recovers or is over as unknown, and nothing is lost', async () => {
  const url = await server.database()
  const acknowledged = new Set<string>()
  const ends: string[] = []
  for (let round = 0; round < 10; round += 1) {
    const store = await open(url)
    const load = loadOn(store, `r${round}`)
    await until(() => load.acknowledged.size > 30)
    await server.crash()
    const before = load.acknowledged.size
    await server.start()
    await until(() => load.acknowledged.size > before + 20 || load.refused.length > 0)
    load.enough()
    await load.ended
    ends.push(load.refused.length === 0 ? 'recovered' : String(load.refused[0]!.code))
    for (const name of load.acknowledged) acknowledged.add(name)
    await store.close()
  }
  expect(ends.filter((end) => end !== 'recovered' && end !== 'record-unknown')).toEqual([])
  await judge(await open(url), acknowledged)
}, 120_000)

test('a silent way is given up after its time: reads and writes are told so, and the engine is over', async () => {
  const url = await server.database(proxy.port)
  const timing = { statementMs: 300, connectMs: 300, patienceMs: 1_000, lockMs: 300 }
  const store = await open(url, { timing })
  const lost: Error[] = []
  store.onLost((cause) => lost.push(cause))
  await store.transact(deed('before'))
  proxy.silent = true
  const [write, read] = await Promise.allSettled([store.transact(deed('during')), store.read.auditHead()])
  expect(write).toMatchObject({ status: 'rejected', reason: { code: 'record-unreachable' } })
  expect(read).toMatchObject({ status: 'rejected', reason: { code: 'record-unreachable' } })
  expect(lost).toHaveLength(1)
  proxy.silent = false
  proxy.cut()
  const next = await open(url)
  expect(await judge(next, ['before'])).toEqual(['before'])
})

test('a way that was silent for a short while: the old session is ended, the lock is ours again, and the turn runs once', async () => {
  const url = await server.database(proxy.port)
  const timing = { statementMs: 300, connectMs: 300, patienceMs: 20_000, lockMs: 5_000 }
  const store = await open(url, { timing })
  await store.transact(deed('before'))
  proxy.silent = true
  const made = proxy.made
  const during = store.transact(deed('during'))
  // The client has given its link up and tries another; the server has not noticed: the old session holds the lock.
  await until(() => proxy.made > made)
  proxy.silent = false
  await during
  expect(await judge(store, ['before', 'during'])).toEqual(['before', 'during'])
})
