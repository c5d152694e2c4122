/** A bank's address does not change while payments are open at it: another bank's "not there" would prove nothing. */
import { expect, test } from 'vitest'
import { admitAddresses } from '../../src/live-config.ts'
import type { SwarmConfig } from '../../src/model/model.ts'
import type { Store } from '../../src/store/store.ts'

const configAt = (url: string): SwarmConfig =>
  ({
    channels: { bank: { name: 'bank', upstream: 'north' }, post: { name: 'post', upstream: 'south' } },
    upstreams: { north: { url }, south: { url: 'https://south.test' } },
  }) as unknown as SwarmConfig

const storeWith = (counts: Readonly<Record<string, number>>, channel = 'bank'): Pick<Store, 'read'> => ({
  read: {
    settlementCounts: async () =>
      Object.entries(counts).map(([state, count]) => ({ channel, currency: 'XTS', state, count })),
  } as unknown as Store['read'],
})

const [here, there] = [configAt('https://a.test'), configAt('https://b.test')]

test.each(['submitting', 'accepted', 'unknown'])(
  'with a payment that is %s another address is refused',
  async (state) => {
    await expect(admitAddresses(storeWith({ [state]: 2, settled: 9 }), here, there)).rejects.toMatchObject({
      code: 'conflict',
      message: '2 payments of channel bank are open at https://a.test',
    })
  },
)

test('with none open, for another channel, or with the same address, it is taken', async () => {
  await admitAddresses(storeWith({ settled: 9, rejected: 1, held: 1, reserved: 3 }), here, there)
  await admitAddresses(storeWith({ unknown: 1 }, 'post'), here, there)
  await admitAddresses(storeWith({ unknown: 1 }), here, here)
})
