/** Whether this process lives (looks at nothing), and whether it can do its work (looks at what it needs). */
import { gateStatus } from '../figures.ts'
import { ok, type Ask, type Route } from '../route.ts'

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

const recordCheck = async ({ rooms }: Ask): Promise<Check> => {
  const { fullSinceMs } = rooms.store
  if (fullSinceMs !== null) {
    const since = new Date(fullSinceMs).toISOString()
    return { name: 'record', ok: false, detail: `disk-full since ${since}: reads go on, writes are refused` }
  }
  try {
    return { name: 'record', ok: true, detail: `audit entries: ${(await rooms.store.read.auditHead()).seq}` }
  } catch {
    // A record that cannot be read is the finding itself; its own room tells why.
    return { name: 'record', ok: false, detail: 'the record cannot be read' }
  }
}
const gateCheck = async ({ rooms }: Ask): Promise<Check> => {
  const name = 'gate'
  const { gateId } = rooms.gatelink
  if (gateId === null) return { name, ok: false, detail: 'no link to the gate' }
  const gate = await gateStatus(rooms)
  if ('unknown' in gate)
    return { name, ok: true, detail: `linked to ${gateId}, and how it is is unknown: ${gate.unknown}` }
  if (gate.journalRefuses)
    return { name, ok: false, detail: `linked to ${gateId}, which cannot write its journal, so it sends nothing` }
  return { name, ok: true, detail: `linked to ${gateId}` }
}

const endCheck = ({ rooms }: Ask): Check => {
  const stopping = rooms.stopping()
  return { name: 'admission', ok: !stopping, detail: stopping ? 'the sitter stops: no new work' : 'work is taken' }
}

const live = (path: string): Route => ({ method: 'GET', path, open: true, run: () => ok({ live: true }) })

export const healthRoutes: readonly Route[] = [
  live('/livez'),
  live('/healthz'),
  {
    method: 'GET',
    path: '/readyz',
    run: async (ask) => {
      const checks = [await recordCheck(ask), await gateCheck(ask), endCheck(ask)]
      const ready = checks.every((check) => check.ok)
      return { status: ready ? 200 : 503, body: { ready, checks } }
    },
  },
]
