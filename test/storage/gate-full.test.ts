/** The gate's journal on a full disk: what cannot be journalled is not sent, and an answer waits until it is written. */
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { grantFor, newPlace, rulesFor, setSecret, startGate, startSitter } from '../gateway/harness.ts'
import { openUpstream } from '../gateway/upstream.ts'
import { cannotMount, mountDisk, skipped } from './tmpfs.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const world = async () => {
  const disk = mountDisk(8)
  const upstream = await openUpstream()
  const place = { ...newPlace(), data: join(disk.path, 'd') }
  const running = await startGate(place, rulesFor(upstream))
  const sitter = startSitter(place)
  closing = [
    () => disk.unmount(),
    () => place.remove(),
    () => upstream.close(),
    () => running.gate.stop(),
    () => sitter.link.stop(),
  ]
  await sitter.linked()
  await setSecret(sitter)
  return { disk, upstream, sitter, ...running }
}

const untilLine = async (lines: readonly string[], text: string): Promise<void> => {
  while (!lines.some((line) => line.includes(text)))
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
}

/** So many at once that their rows fit into no page that is there already. */
const crowd = (count: number) => Array.from({ length: count }, () => grantFor())

test.skipIf(cannotMount)(
  `with its disk full the gate sends nothing, says not-sent, lives on, and sends again when there is room${skipped}`,
  async () => {
    const { disk, upstream, sitter } = await world()
    disk.fill()
    const refused = crowd(100)
    sitter.link.grant(refused)
    for (const { grant } of refused)
      expect((await sitter.callOf(grant)).outcome).toMatchObject({ kind: 'not-sent', code: 'journal-failed' })
    expect(upstream.seen).toHaveLength(0)
    expect(await sitter.link.status()).toMatchObject({ journalRefuses: true })
    disk.free()
    // Nobody calls: who asks how it is lets it try.
    while ((await sitter.link.status()).journalRefuses);
    const granted = grantFor()
    sitter.link.grant([granted])
    expect((await sitter.callOf(granted.grant)).outcome).toMatchObject({ kind: 'answered', status: 201 })
    expect(upstream.seen).toHaveLength(1)
  },
)

test.skipIf(cannotMount)(
  `an answer that arrives while the disk is full is told after it was written, and the call is not made twice${skipped}`,
  async () => {
    const { disk, upstream, sitter, lines } = await world()
    upstream.answer((_seen, response) => {
      disk.fill()
      response.writeHead(201).end('{}')
    })
    // The disk fills between the journal's begin and its end; what is left in the last page decides how many it takes.
    const grants = crowd(40)
    sitter.link.grant(grants)
    await untilLine(lines, 'end of a call could not be journalled')
    disk.free()
    upstream.answer((_seen, response) => response.writeHead(201).end('{}'))
    const calls = await Promise.all(grants.map(({ grant }) => sitter.callOf(grant)))
    const answered = calls.filter(({ outcome }) => outcome.kind === 'answered')
    const notSent = calls.filter(({ outcome }) => outcome.kind === 'not-sent')
    expect(answered.length + notSent.length).toBe(grants.length)
    expect(upstream.seen).toHaveLength(answered.length)
  },
)
