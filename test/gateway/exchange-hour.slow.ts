/**
 * An hour of 500 agents that want some four times of what an exchange in the form of Binance gives, with somebody else
 * at the same address, twice the orders that their account may place, a minute in which it is sick, and a ban. Judged by
 * its own log. Virtual time: a minute of ours.
 */
import { expect, test } from 'vitest'
import { expectEmbargo, expectObedience, expectOrders, usedShares } from './exchange-verdict.ts'
import { address, minuteMs, openExchangeWorld, stranger } from './exchange-world.ts'

test('In an hour no minute has two refusals and nobody is banned; a forced ban holds for all, and one call tries its end', async () => {
  const world = openExchangeWorld(Number(process.env['SEED'] ?? 7))
  const { timeline, provider } = world
  for (let number = 1; number <= 500; number += 1) void world.agent(`trader/${number}`, 20_000)
  stranger(world, 1_500)
  const begunMs = timeline.wallMs
  const until = (minute: number): Promise<void> =>
    timeline.run(timeline.monoMs + begunMs + minute * minuteMs - timeline.wallMs)
  await until(20)
  const sickMs = timeline.wallMs
  provider.sickUntilMs = sickMs + minuteMs
  await until(40)
  const ban = { fromMs: timeline.wallMs, forMs: 3 * minuteMs }
  provider.exchange.weights.ban(ban.fromMs, address, ban.forMs)
  await until(60)

  expectObedience(world, ban)
  expectEmbargo(world, ban)
  expectOrders(world, { fromMs: begunMs + minuteMs, untilMs: sickMs })
  const shares = [
    ...usedShares(world, begunMs + minuteMs, sickMs),
    ...usedShares(world, ban.fromMs - 15 * minuteMs, ban.fromMs),
  ]
  const back = usedShares(world, ban.fromMs + ban.forMs + minuteMs, timeline.wallMs)
  const mean = (of: readonly number[]): number => of.reduce((sum, one) => sum + one, 0) / of.length
  const refused = provider.log.filter(({ ours, status }) => ours && status === 429).length
  const sick = provider.log.filter(({ status }) => status === 503).length
  console.info(
    `${provider.log.length} calls, ${refused} refused, ${sick} while it was sick; used ${mean(shares)} and ${mean(back)} of it`,
    Object.fromEntries(world.told),
  )
  expect(mean(shares)).toBeGreaterThanOrEqual(0.9)
  expect(mean(back)).toBeGreaterThanOrEqual(0.9)
  // Four endpoints, each 20 calls until its breaker opens, those under way, and some probes.
  expect(sick).toBeLessThanOrEqual(4 * 40)
}, 600_000)
