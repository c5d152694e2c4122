/** Minutes of an exchange in the form of Binance before the real stages, in virtual time; the hour is a slow test. */
import { expect, test } from 'vitest'
import { expectEmbargo, expectObedience, usedShares } from './exchange-verdict.ts'
import { address, minuteMs, openExchangeWorld, stranger } from './exchange-world.ts'

test('A ban of the address holds for all who come from there; one call tries its end, and then all go as before', async () => {
  const world = openExchangeWorld(11, { parkAfterMs: 10 * minuteMs })
  // All wait in line, and could go at once when it is over.
  const { timeline, provider } = world
  for (let number = 1; number <= 100; number += 1) void world.agent(`trader/${number}`, 4_000)
  stranger(world, 1_500)
  await timeline.run(timeline.monoMs + 2 * minuteMs)
  const ban = { fromMs: timeline.wallMs, forMs: minuteMs }
  provider.exchange.weights.ban(ban.fromMs, address, ban.forMs)
  await timeline.run(timeline.monoMs + 3 * minuteMs)
  expectObedience(world, ban)
  expectEmbargo(world, ban)
  const shares = usedShares(world, ban.fromMs + ban.forMs, timeline.wallMs)
  expect(shares.length).toBeGreaterThanOrEqual(1)
  for (const share of shares) expect(share).toBeGreaterThanOrEqual(0.9)
}, 60_000)
