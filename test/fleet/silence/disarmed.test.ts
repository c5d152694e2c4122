/**
 * The killer disarms itself: a sitter whose own beats do not show up in the store that it reads ends nobody, however
 * silent, for it may be the one who is cut off. The real beat, over a store that loses writes, or shows old rows.
 */
import { expect, test } from 'vitest'
import { blindAfterMs, openMirror, openProgress } from '../../../src/progress.ts'
import type { Store } from '../../../src/store/store.ts'
import { FakeCells } from '../cells.ts'
import { VirtualClock } from '../clock.ts'
import { agentType, openWorld } from '../world.ts'

type Fault = 'none' | 'shows old rows' | 'loses writes' | 'hangs' | 'refuses'

/** One host's row behind a store that does as it is told. */
const storeOf = (fault: () => Fault): Pick<Store, 'transact' | 'read'> => {
  let beatMs = 0
  let shownMs = 0
  const host = async () => {
    if (fault() !== 'shows old rows') shownMs = beatMs
    return { owner: 'host-1', epoch: 1, beatMs: shownMs }
  }
  const transact = async ([command]: readonly { readonly with: { readonly wallMs: number } }[]) => {
    if (fault() === 'hangs') await new Promise(() => {})
    if (fault() === 'refuses') throw new Error('no')
    if (fault() !== 'loses writes') beatMs = command!.with.wallMs
    return [{ ok: true, value: undefined }]
  }
  return { transact, read: { host } } as unknown as Pick<Store, 'transact' | 'read'>
}

test.each(['shows old rows', 'loses writes', 'hangs', 'refuses'] as const)(
  'Over a store that %s nobody is ended for silence; with a store that shows its beats the silent one is',
  async (fault) => {
    let now: Fault = fault
    const clock = new VirtualClock()
    const mirror = openMirror(clock, () => {})
    const store = storeOf(() => now)
    const deposed = (): void => {
      throw new Error('nobody took over')
    }
    openProgress({ store, clock, owner: 'host-1', epoch: 1, ...mirror, deposed })
    const world = await openWorld({
      clock,
      types: [agentType({ heartbeatMs: 1_000 })],
      seesItself: mirror.seesItself,
    })
    await clock.advance(blindAfterMs + 1_000)
    const silent = world.cells.of('settler/0001')
    silent.hung = true
    await clock.advance(30_000)
    expect(silent.ended).toBe(false)
    expect(world.record.eventsOf('cell.decision').at(-1)!.facts).toMatchObject({ step: 'judge', verdict: 'disarmed' })
    if (fault === 'hangs') return
    now = 'none'
    await clock.advance(8_000)
    expect(silent.ended).toBe(true)
    expect(world.cells.all.filter(({ ended }) => ended)).toEqual([silent])
  },
)

test('A cell that does not get ready is not ended by who does not see itself, and is as soon as that is over', async () => {
  const sees = { itself: false }
  const clock = new VirtualClock()
  const cells = new FakeCells(clock)
  cells.startMs = 86_400_000
  const types = [agentType({ count: 1, startWithinMs: 2_000 })]
  await openWorld({ clock, cells, types, seesItself: () => sees.itself })
  await clock.advance(120_000)
  expect(cells.all.map(({ ended }) => ended)).toEqual([false])
  sees.itself = true
  await clock.advance(30_000)
  expect(cells.all[0]!.ended).toBe(true)
})
