import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { openGateLink } from '../../src/gatelink/gatelink.ts'
import { realClock, realNet, realRandom } from '../../src/std/real/real.ts'
import type { Link } from '../../src/std/std.ts'
import { lineReader, toLine, type Call } from '../../src/wire/wire.ts'
import {
  fetchBy,
  grantFor,
  newPlace,
  rulesFor,
  setSecret,
  startGate,
  startSitter,
  type UpstreamRules,
} from '../gateway/harness.ts'
import { openUpstream } from '../gateway/upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const world = async (more: Partial<UpstreamRules> = {}) => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(
    () => place.remove(),
    () => upstream.close(),
  )
  const running = { gate: (await startGate(place, rulesFor(upstream, more))).gate }
  closing.push(() => running.gate.stop())
  const sitter = (epoch = 1, owner?: string, commit?: (call: Call) => Promise<void>) => {
    const made = startSitter(place, epoch, owner, commit)
    closing.push(() => made.link.stop())
    return made
  }
  return {
    upstream,
    place,
    running,
    sitter,
    restart: async () => {
      await running.gate.stop()
      running.gate = (await startGate(place, rulesFor(upstream, more))).gate
    },
  }
}

/** Says `open` by hand and gives the first line that the gate answers. */
const sayOpen = async (
  place: { readonly socket: string },
  open: object,
): Promise<Readonly<Record<string, unknown>>> => {
  const link = await realNet().connect(place.socket)
  return new Promise((resolve) => {
    link.onData(lineReader({ frameBytes: 10_000, jsonDepth: 8 }, { object: resolve, refused: () => {} }))
    link.write(toLine({ frame: 'open', swarm: 'testswarm', ...open }))
  })
}

test('a sitter of a lower epoch is refused, also by a gate that was started anew, and by another owner of the same epoch', async () => {
  const { place, sitter, restart } = await world()
  await sitter(5).linked()
  expect(await sayOpen(place, { owner: 'old', epoch: 4 })).toMatchObject({
    frame: 'answer',
    ok: false,
    error: { code: 'stale' },
  })
  await restart()
  expect(await sayOpen(place, { owner: 'old', epoch: 4 })).toMatchObject({ ok: false, error: { code: 'stale' } })
  expect(await sayOpen(place, { owner: 'thief', epoch: 5 })).toMatchObject({ ok: false, error: { code: 'stale' } })
  expect(await sayOpen(place, { owner: 'x', epoch: 9, swarm: 'another' })).toMatchObject({
    ok: false,
    error: { code: 'conflict' },
  })
})

test("a newer sitter takes over: the old one sends nothing more, its waiting grants are forgotten, its cells' doors are closed", async () => {
  const { upstream, place, sitter } = await world({
    limits: [
      {
        per: 'upstream',
        rate: { count: 1, windowMs: 600_000 },
        burst: 1,
        guard: 0,
        window: 'smooth',
        match: [],
        weights: [],
      },
    ],
  })
  const old = sitter(1)
  await old.linked()
  await setSecret(old)
  const door = join(place.directory, 'cell.sock')
  old.link.openCell({ cell: 'cel_old', socketPath: door, type: 'payer', agents: ['payer/0001'], upstreams: ['bank'] })
  const [sent, waiting] = [grantFor(), grantFor({}, { waitMs: 600_000 })]
  old.link.grant([sent, waiting])
  await old.callOf(sent.grant)
  while ((await old.link.status()).cells === 0) {
    /* cell frames have no answer: ask until its door is open */
  }
  expect(await old.link.status()).toMatchObject({ queued: 1, cells: 1 })
  const young = sitter(2)
  await young.linked()
  expect(await young.link.status()).toMatchObject({ queued: 0, cells: 0 })
  expect(old.link.gateId).toBe(null)
  expect(old.link.grant([grantFor()])).toBe(false)
  expect(old.calls.map((call) => call.grant)).toEqual([sent.grant])
  await expect(fetchBy(door, { path: '/bank/v1/a' })).rejects.toThrow(/ENOENT|ECONNREFUSED/)
  expect(upstream.seen).toHaveLength(1)
})

test('a link finds the gate again, announces its cells anew, and questions meanwhile fail as gate-lost', async () => {
  const { place, sitter, restart } = await world()
  const one = sitter()
  await one.linked()
  await setSecret(one)
  const door = join(place.directory, 'cell.sock')
  one.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents: ['payer/0001'], upstreams: ['bank'] })
  await one.link.status()
  const before = one.link.gateId
  const restarting = restart()
  await expect(one.link.status()).rejects.toMatchObject({ code: 'gate-lost' })
  await restarting
  await one.linked(2)
  expect(one.link.gateId).toBe(before)
  while ((await one.link.status()).cells === 0) {
    /* cell frames have no answer: ask until its door is open */
  }
  expect((await fetchBy(door, { path: '/bank/v1/a' })).status).toBe(201)
})

test('a call is acknowledged only when it was committed, a commit that failed is tried again, and then it is not told any more', async () => {
  const { sitter, restart } = await world()
  let tries = 0
  const one = sitter(1, 'sitter-1', async () => {
    tries += 1
    if (tries < 3) throw new Error('the record is busy')
  })
  await one.linked()
  await setSecret(one)
  const grant = grantFor()
  one.link.grant([grant])
  while (tries < 3)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  // The acknowledgement is on its way before this question, and the gate reads in order.
  await new Promise((resolve) => {
    realClock().timer(20, () => resolve(undefined))
  })
  await one.link.status()
  await restart()
  await one.linked(2)
  await one.link.status()
  expect([tries, one.calls.length]).toEqual([3, 3])
})

test('a refusal of the gate keeps its code, and garbage from the gate cuts the link', async () => {
  const { sitter } = await world()
  const one = sitter()
  await one.linked()
  await expect(one.link.vaultSet('bank', 'not sealed', 'me')).rejects.toMatchObject({ code: 'invalid' })
  await expect(one.link.vaultSet('nobody', 'not sealed', 'me')).rejects.toMatchObject({ code: 'not-found' })

  const place = newPlace()
  const links: Link[] = []
  const listening = await realNet().listen(place.socket, (link) => {
    links.push(link)
    link.write('this is no frame\n')
  })
  const link = openGateLink({
    net: realNet(),
    clock: realClock(),
    random: realRandom(),
    socketPath: place.socket,
    swarm: 's',
    owner: 'o',
    epoch: 1,
    events: { linked: () => {}, lost: () => {}, call: async () => {}, uses: async () => {} },
  })
  while (links.length < 2)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  expect(link.gateId).toBe(null)
  await link.stop()
  await listening.close()
  place.remove()
})

test('a call that is told twice before it is committed is taken once', async () => {
  const place = newPlace()
  const committed: string[] = []
  const acks: number[] = []
  const gate = Promise.withResolvers<void>()
  const acked = Promise.withResolvers<void>()
  const call: Call = {
    frame: 'call',
    journal: 7,
    grant: 'grn_1',
    subject: 'set_1',
    outcome: { kind: 'not-sent', code: 'limited', message: 'm' },
    sentMs: null,
    tookMs: null,
    waitedMs: 0,
    cost: null,
    credential: null,
  }
  const listening = await realNet().listen(place.socket, (link) => {
    link.onData(
      lineReader(
        { frameBytes: 10_000, jsonDepth: 8 },
        {
          object: (raw) => {
            if (raw['frame'] === 'open')
              link.write(
                [toLine({ frame: 'opened', gateId: 'gat_1', version: '1' }), toLine(call), toLine(call)].join(''),
              )
            if (raw['frame'] === 'ack') {
              acks.push(...(raw['journals'] as number[]))
              acked.resolve()
            }
          },
          refused: () => {},
        },
      ),
    )
  })
  const link = openGateLink({
    net: realNet(),
    clock: realClock(),
    random: realRandom(),
    socketPath: place.socket,
    swarm: 's',
    owner: 'o',
    epoch: 1,
    events: {
      linked: () => gate.resolve(),
      lost: () => {},
      uses: async () => {},
      call: async (told) => {
        await gate.promise
        committed.push(told.grant)
      },
    },
  })
  await acked.promise
  expect([committed, acks]).toEqual([['grn_1'], [7]])
  await link.stop()
  await listening.close()
  place.remove()
})
