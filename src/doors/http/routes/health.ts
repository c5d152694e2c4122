/** Whether this process lives (looks at nothing), and whether it can do its work (looks at what it needs). */
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
const gateCheck = ({ rooms }: Ask): Check => {
  const { gateId } = rooms.gatelink
  return { name: 'gate', ok: gateId !== null, detail: gateId === null ? 'no link to the gate' : `linked to ${gateId}` }
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
      const checks = [await recordCheck(ask), gateCheck(ask), endCheck(ask)]
      const ready = checks.every((check) => check.ok)
      return { status: ready ? 200 : 503, body: { ready, checks } }
    },
  },
]
