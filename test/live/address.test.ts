/** A bank's address does not change while payments are open at it: another bank's "not there" would prove nothing. */
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { admitAddresses } from '../../src/live-config.ts'
import type { SwarmConfig } from '../../src/model/model.ts'
import type { ConfigVersionView, Store } from '../../src/store/store.ts'

interface Said {
  readonly north?: string
  readonly south?: string
  /** The upstream by which the channel pays; null = there is no channel. */
  readonly by?: 'north' | 'south' | null
}
const rawOf = ({ north = 'https://a.test', south = 'https://s.test', by = 'north' }: Said): object => ({
  name: 'tiny',
  agents: {},
  upstreams: {
    north: { url: north, allow: ['POST /pay'], money: ['POST /pay'] },
    south: { url: south, allow: ['POST /pay'], money: ['POST /pay'] },
  },
  channels:
    by === null
      ? {}
      : {
          bank: {
            kind: 'http',
            upstream: by,
            pay: 'POST /pay',
            keyHeader: 'idempotency-key',
            body: { reference: '{reference}', payee: '{payee}', amount: '{amount}', currency: '{currency}' },
            outcome: { accepted: [201], rejected: [422], unknown: ['5xx', 'lost'] },
          },
        },
})
const configOf = (said: Said): SwarmConfig => parseConfig(rawOf(said), '/x')

/** A record with these versions, oldest first, and payments of channel `bank`. */
const recordWith = (counts: Readonly<Record<string, number>>, versions: readonly Said[]): Pick<Store, 'read'> => ({
  read: {
    settlementCounts: async () =>
      Object.entries(counts).map(([state, count]) => ({ channel: 'bank', currency: 'XTS', state, count })),
    configVersions: async ({ limit, after }: { limit: number; after: string | null }) => {
      const from = after === null ? 0 : Number(after)
      const all = versions.toReversed().map((said) => ({ raw: JSON.stringify(rawOf(said)), baseDirectory: '/x' }))
      const items = all.slice(from, from + limit) as unknown as ConfigVersionView[]
      return { items, next: from + limit < all.length ? String(from + limit) : null }
    },
  } as unknown as Store['read'],
})

const moved = configOf({ north: 'https://b.test' })

test.each(['submitting', 'accepted', 'unknown'])(
  'with a payment that is %s another address is refused',
  async (state) => {
    await expect(admitAddresses(recordWith({ [state]: 2, settled: 9 }, [{}]), moved)).rejects.toMatchObject({
      code: 'conflict',
      message: '2 payments are open at https://a.test, by channel bank',
      facts: { wayOut: expect.stringContaining('upstream north') },
    })
  },
)

test('with none open, with the same address, or in a record that knows none, it is taken', async () => {
  await admitAddresses(recordWith({ settled: 9, rejected: 1, held: 1, reserved: 3 }, [{}]), moved)
  await admitAddresses(recordWith({ unknown: 1 }, [{}]), configOf({}))
  await admitAddresses(recordWith({ unknown: 1 }, []), moved)
})

test('a way round by other versions leads to the address that was paid at: the channel gone, or at another upstream', async () => {
  const away: readonly Said[] = [{ by: null }, { by: 'south' }]
  for (const between of away) {
    const versions = [{}, ...Array.from({ length: 150 }, () => between), { ...between, north: 'https://b.test' }]
    await expect(admitAddresses(recordWith({ unknown: 1 }, versions), moved)).rejects.toMatchObject({
      code: 'conflict',
    })
    await admitAddresses(recordWith({ unknown: 1 }, versions), configOf({}))
  }
  // Another upstream is asked about nothing that it has not paid (decided where payments are looked at).
  await admitAddresses(recordWith({ unknown: 1 }, [{}]), configOf({ by: 'south' }))
})
