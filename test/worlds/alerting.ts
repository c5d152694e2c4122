/** The rooms as far as they say that something is wrong; nothing is, but for what a test says. */
import type { AlertingRooms } from '../../src/alerting.ts'
import type { FleetSummary } from '../../src/fleet/fleet.ts'
import { movedClock } from './clock.ts'

export const quietSummary: FleetSummary = {
  agents: 10,
  byState: { idle: 10 },
  byType: { settler: { idle: 10 } },
  cells: 1,
  standbys: { ready: 0, wanted: 0 },
  held: [],
  restarts: 0,
  cellsLost: 0,
  restartsByType: {},
  coverage: { reporting: 10, of: 10, oldestMs: 0 },
  admission: { short: null, reading: null, startsWaiting: 0 },
  troubles: [],
  quarantines: 0,
}

type Upstreams = Awaited<ReturnType<AlertingRooms['gatelink']['status']>>['upstreams']
export interface Wrong {
  readonly summary?: Partial<FleetSummary>
  readonly modes?: ReturnType<AlertingRooms['modes']['list']>
  readonly gateId?: string | null
  readonly breakers?: Upstreams[number]['breakers']
  readonly journalRefuses?: boolean
  readonly file?: ReturnType<AlertingRooms['freeze']['file']>
  readonly fullSinceMs?: number
  readonly persons?: number
  readonly unknown?: { readonly count: number; readonly oldest: string; readonly sinceMs: number }
  readonly dead?: number
  readonly deaths?: readonly number[]
  readonly clock?: AlertingRooms['clock']
  readonly fleet?: AlertingRooms['fleet']
}

export const rooms = (wrong: Wrong = {}): AlertingRooms => {
  const { summary, modes = [], gateId = 'gate', file = 'absent', fullSinceMs = null } = wrong
  const { breakers = [], journalRefuses = false } = wrong
  const { persons = 0, unknown = null, dead = 0, deaths = [], clock = movedClock() } = wrong
  return {
    config: { agents: { settler: { count: 10 } } },
    store: {
      fullSinceMs,
      read: {
        settlementsOfConcern: async () => ({ persons, unknown }),
        taskCounts: async () => [{ type: 'pay', state: 'dead', count: dead }],
      },
    },
    fleet: wrong.fleet ?? { summary: () => ({ ...quietSummary, ...summary }) },
    gatelink: {
      gateId,
      vaultList: async () => ({ renewals: [], fallbacks: [] }),
      status: async () => ({ journalRefuses, upstreams: [{ name: 'bank', breakers }] }),
    },
    freeze: { file: () => file },
    modes: { list: () => modes },
    spending: { conditions: () => [] },
    clock,
    deaths,
  } as unknown as AlertingRooms
}
