import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { ask, openSwarm, openUpstream, readNote, type TestSwarm, type Upstream } from './swarm.ts'

let closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.toReversed()) close()
  closing = []
})
const open = async (): Promise<{ swarm: TestSwarm; upstream: Upstream }> => {
  const upstream = await openUpstream()
  const swarm = await openSwarm(upstream)
  closing.push(() => upstream.close(), swarm.end)
  return { swarm, upstream }
}
const auditOf = async (url: unknown): Promise<Record<string, unknown>[]> =>
  ((await ask(url, 'audit/entries?limit=1000'))['items'] as { entry: string }[]).map(
    ({ entry }) => JSON.parse(entry) as Record<string, unknown>,
  )

/** Calls until one is refused as frozen; how many ms that took. */
const untilFrozen = async (swarm: TestSwarm): Promise<number> => {
  const begun = performance.now()
  while (performance.now() - begun < 5_000) {
    const { code } = await swarm.call('/v1/look')
    if (code === 'frozen') return performance.now() - begun
  }
  throw new Error('it was never frozen')
}

test('beside a hung sitter `freeze` holds within a second of the file: calls under way end, none begins', async () => {
  const { swarm, upstream } = await open()
  await swarm.start('gate')
  const sitter = await swarm.holdLink()
  await expect.poll(async () => (await swarm.call('/v1/before').catch(() => ({ status: 0 }))).status).toBe(200)
  const release = upstream.hold()
  const underWay = swarm.call('/v1/under-way')
  await expect.poll(() => upstream.seen.includes('/v1/under-way')).toBe(true)
  sitter.kill('SIGSTOP')
  const { code, out, err } = await swarm.cli('freeze', '--reason', 'wrong payees', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toEqual({ frozen: true, file: swarm.places.frozen, gate: 'unknown' })
  expect(err).toContain('the sitter was not told')
  release()
  expect(await untilFrozen(swarm)).toBeLessThan(1_000)
  const seen = upstream.seen.length
  expect(await underWay).toEqual({ status: 200, code: '' })
  expect(await swarm.call('/v1/after')).toEqual({ status: 503, code: 'frozen' })
  expect(upstream.seen).toHaveLength(seen)
  expect(readNote(swarm.places)).toMatchObject({ actor: 'cli:ada', reason: 'wrong payees' })
  expect(statSync(swarm.places.frozen).mode & 0o777).toBe(0o600)
})

test('any file of that name freezes within a second, also one that says nothing or is no file, and a new gate too', async () => {
  const { swarm, upstream } = await open()
  const gate = await swarm.start('gate')
  await swarm.holdLink()
  await expect.poll(async () => (await swarm.call('/v1/before').catch(() => ({ status: 0 }))).status).toBe(200)
  writeFileSync(swarm.places.frozen, '')
  expect(await untilFrozen(swarm)).toBeLessThan(1_000)
  rmSync(swarm.places.frozen)
  await expect.poll(async () => (await swarm.call('/v1/between')).status).toBe(200)
  mkdirSync(swarm.places.frozen)
  expect(await untilFrozen(swarm)).toBeLessThan(1_000)
  gate.child.kill('SIGKILL')
  await swarm.start('gate')
  const seen = upstream.seen.length
  await expect.poll(async () => (await swarm.call('/v1/after').catch(() => ({ code: '' }))).code).toBe('frozen')
  expect(upstream.seen).toHaveLength(seen)
})

test('a freeze without a sitter is in the audit of the next one, once; only `thaw` with the name ends it', async () => {
  const { swarm } = await open()
  expect((await swarm.cli('freeze', '--reason', 'nobody home')).code).toBe(0)
  await swarm.start('gate')
  const first = await swarm.start('sitter')
  const { url } = first.facts
  const frozen = (entries: Record<string, unknown>[]): unknown[] =>
    entries.filter(({ action }) => action === 'swarm.freeze')
  expect(frozen(await auditOf(url))).toMatchObject([
    { actor: 'cli:ada', object: 'tiny', decision: 'done', facts: { reason: 'nobody home' } },
  ])
  const { id } = readNote(swarm.places)
  expect(await ask(url, 'swarm')).toMatchObject({ freeze: { frozen: true, by: { id, actor: 'cli:ada' } } })
  // The gate was told when the link came up, so that removing the file by hand does not thaw.
  await expect.poll(async () => (await ask(url, 'swarm'))['gate']).toMatchObject({ frozen: true })
  first.child.kill('SIGKILL')
  const second = await swarm.start('sitter')
  const again = second.facts['url']
  expect(frozen(await auditOf(again))).toHaveLength(1)
  rmSync(swarm.places.frozen)
  await expect.poll(async () => JSON.stringify(await ask(again, 'events?subject=swarm'))).toContain('freeze-file-gone')
  expect(await ask(again, 'swarm')).toMatchObject({ gate: { frozen: true }, freeze: { frozen: true, by: null } })
  expect(await ask(again, 'swarm/thaw', { confirm: 'another' })).toMatchObject({ code: 'invalid' })
  expect((await swarm.cli('thaw')).code).toBe(2)
  expect((await swarm.cli('thaw', '--yes')).code).toBe(0)
  expect(await ask(again, 'swarm')).toMatchObject({ gate: { frozen: false }, freeze: { frozen: false } })
  expect((await auditOf(again)).filter(({ action }) => action === 'swarm.thaw')).toMatchObject([
    { actor: 'token:operator', decision: 'allowed' },
    { actor: 'token:operator', decision: 'done' },
  ])
})

test('a hung sitter keeps nobody waiting, and records who froze when it wakes', async () => {
  const { swarm } = await open()
  await swarm.start('gate')
  const { child, facts } = await swarm.start('sitter')
  child.kill('SIGSTOP')
  const begun = performance.now()
  const { code, out } = await swarm.cli('freeze', '--reason', 'it hangs', '--json')
  expect(performance.now() - begun).toBeLessThan(8_000)
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ frozen: true, gate: 'unknown' })
  child.kill('SIGCONT')
  // It may answer the call that waited in its socket as well: that is the same freeze, asked again.
  const isFirst = ({ action, facts: told }: Record<string, unknown>): boolean =>
    action === 'swarm.freeze' && !(told as { again: boolean }).again
  await expect
    .poll(async () => (await auditOf(facts['url'])).filter(isFirst))
    .toMatchObject([{ actor: 'cli:ada', facts: { reason: 'it hangs' } }])
})

test('a freeze by the API says what the gate says, names its caller, and a thaw without a gate changes nothing', async () => {
  const { swarm } = await open()
  const gate = await swarm.start('gate')
  const { url } = (await swarm.start('sitter')).facts
  await expect.poll(async () => (await ask(url, 'swarm'))['gate']).toMatchObject({ frozen: false })
  expect(await ask(url, 'swarm/freeze', { reason: 'drill' })).toMatchObject({
    frozen: true,
    gate: true,
    by: { actor: 'token:operator', reason: 'drill' },
  })
  gate.child.kill('SIGKILL')
  await expect.poll(async () => JSON.stringify((await ask(url, 'swarm'))['gate'])).toContain('unknown')
  expect(await ask(url, 'swarm/thaw', { confirm: 'tiny' })).toMatchObject({ code: 'gate-lost' })
  expect(readNote(swarm.places)).toMatchObject({ reason: 'drill' })
  await swarm.start('gate')
  await expect.poll(async () => (await ask(url, 'swarm'))['gate']).toMatchObject({ frozen: true })
})
