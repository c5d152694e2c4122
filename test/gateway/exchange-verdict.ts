/** What the log of a rehearsed exchange says about the gate before it. */
import { expect } from 'vitest'
import { byMinute, minuteMs, mostOrders, type Arrival, type World } from './exchange-world.ts'

const weightOf = (arrivals: readonly Arrival[]): number => arrivals.reduce((sum, { ip }) => sum + ip, 0)
const ofUs = (world: World): readonly Arrival[] => world.provider.log.filter(({ ours }) => ours)

/** Of the most that may be used of a minute, by whole minutes of the provider's clock within these times. */
export const usedShares = (world: World, fromMs: number, untilMs: number): readonly number[] =>
  [...byMinute(world.provider.log)].flatMap(([minute, all]) =>
    minute * minuteMs >= fromMs && (minute + 1) * minuteMs <= untilMs ? [weightOf(all) / 6_000] : [],
  )

/** No minute has two refusals, and nobody was banned but by force. */
export const expectObedience = (world: World, banned: { readonly fromMs: number } | undefined): void => {
  const ours = ofUs(world)
  const counts = [...byMinute(ours).values()].map((all) => all.filter(({ status }) => status === 429).length)
  expect(Math.max(...counts)).toBeLessThanOrEqual(1)
  expect(ours.filter(({ status, atMs }) => status === 418 && atMs < (banned?.fromMs ?? Infinity))).toEqual([])
}

/** No window of the account's orders has more than it may, nothing was refused for it, and most of it was used. */
export const expectOrders = (world: World, windows: { readonly fromMs: number; readonly untilMs: number }): void => {
  const orders = ofUs(world).filter(({ path }) => path === '/api/v3/order')
  expect(orders.filter(({ code }) => code === -1015)).toEqual([])
  const placed = orders.filter(({ status, atMs }) => status !== 429 && status !== 418 && atMs >= windows.fromMs)
  const byWindow = Map.groupBy(
    placed.filter(({ atMs }) => atMs < windows.untilMs),
    ({ atMs }) => Math.floor(atMs / 10_000),
  )
  const counts = [...byWindow.values()].map(({ length }) => length)
  expect(Math.max(...counts)).toBeLessThanOrEqual(mostOrders)
  const mean = counts.reduce((sum, one) => sum + one, 0) / counts.length
  console.info(`orders in ten seconds: ${mean.toFixed(1)} of ${mostOrders}, at most ${Math.max(...counts)}`)
  expect(mean).toBeGreaterThanOrEqual(mostOrders * 0.7)
}

/** A ban that was forced: only what was under way meets it, then nobody comes, then one, then all. */
export const expectEmbargo = (
  world: World,
  { fromMs, forMs }: { readonly fromMs: number; readonly forMs: number },
): void => {
  const after = ofUs(world).filter(({ atMs }) => atMs >= fromMs)
  const heardMs = Math.min(...after.filter(({ status }) => status === 418).map((one) => one.heardMs))
  const met = after.filter(({ status }) => status === 418)
  expect(met.length).toBeGreaterThan(0)
  // Nothing leaves once it was heard of: the slowest way there takes 1.5 s.
  expect(Math.max(...met.map(({ atMs }) => atMs))).toBeLessThanOrEqual(heardMs + 1_500)
  const back = after.filter(({ status }) => status !== 418)
  const [probe, next] = back
  expect(probe!.atMs).toBeGreaterThanOrEqual(fromMs + forMs)
  expect(probe!.atMs).toBeLessThanOrEqual(fromMs + forMs + 10_000)
  expect(probe!.status).toBe(200)
  expect(next!.atMs).toBeGreaterThanOrEqual(probe!.heardMs)
}
