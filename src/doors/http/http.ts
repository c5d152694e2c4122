/** Front door of the HTTP API and the page: opens the routes behind one bounded server. */
import { Failure, type Clock, type Disk, type Random } from '../../std/std.ts'
import { makeApp } from './app.ts'
import { identity } from './identity.ts'
import { onceMaker, type Once } from './once.ts'
import { readPage, type Page } from './page.ts'
import type { Rooms } from './rooms.ts'
import type { Route } from './route.ts'
import { agentRoutes } from './routes/agents.ts'
import { configRoutes } from './routes/config.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { drillRoutes } from './routes/drills.ts'
import { gateRoutes } from './routes/gate.ts'
import { healthRoutes } from './routes/health.ts'
import { logRoutes } from './routes/logs.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { moneyRoutes } from './routes/money.ts'
import { openApiRoutes } from './routes/openapi.ts'
import { pageRoutes } from './routes/page.ts'
import { recordRoutes } from './routes/record.ts'
import { modeRoutes } from './routes/modes.ts'
import { inboxRoutes } from './routes/inbox.ts'
import { swarmRoutes } from './routes/swarm.ts'
import { selfRoutes } from './routes/self.ts'
import { sharedRoutes } from './routes/shared.ts'
import { taskRoutes } from './routes/tasks.ts'
import { incidentRoutes } from './routes/incidents.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { httpBounds, serve, type HttpBounds } from './server.ts'

export type { Rooms } from './rooms.ts'
export type { HttpBounds } from './server.ts'

const shortestToken = 16

export interface HttpOptions {
  readonly host: string
  /** 0 = any free port; the answer's `url` tells which. */
  readonly port: number
  /** The operator's token, at least 16 characters. */
  readonly token: string
  /** The one-time login code, when the caller wants to choose it. */
  readonly loginSecret?: string
  /** Where the built page lies; absent files mean that it was not built. */
  readonly pageDirectory: string
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly bounds?: Partial<HttpBounds>
  /** Told of every fault in the door with the id of its request; the record gets an event of it too. */
  readonly onFault?: (fault: Failure, request: string) => void
}

export interface HttpDoor {
  readonly url: string
  /** Opens the page without a token, once, within a day. */
  readonly loginUrl: string
  /** Every route, for those who check them all. */
  readonly routes: readonly Pick<Route, 'method' | 'path' | 'open'>[]
  /** Says goodbye to streams, lets requests in hand end within `stopMs`, then closes. */
  stop(): Promise<void>
}

const routesOf = (page: Page, once: Once, all: () => readonly Route[]): readonly Route[] => [
  ...healthRoutes,
  ...pageRoutes(page),
  ...openApiRoutes(all),
  ...swarmRoutes(once),
  ...drillRoutes(),
  ...inboxRoutes,
  ...modeRoutes(once),
  ...agentRoutes(once),
  ...taskRoutes(once),
  ...deadLetterRoutes(once),
  ...sharedRoutes,
  ...moneyRoutes(once),
  ...gateRoutes(once),
  ...recordRoutes,
  ...selfRoutes,
  ...tokenRoutes(once),
  ...incidentRoutes(once),
  ...configRoutes(once),
  ...logRoutes(),
  ...metricsRoutes(),
]

/** An event names the request and the message; the stack goes to the log only. */
const recordFault = async (rooms: Rooms, fault: Failure, request: string): Promise<void> => {
  const event = {
    kind: 'door.fault',
    level: 'error',
    subject: 'sitter',
    message: `request ${request} failed unexpectedly: ${fault.message.slice(0, 300)}`,
    facts: { request, code: fault.code },
  } as const
  await rooms.store.transact([{ kind: 'events.add', with: { events: [event], wallMs: rooms.clock.wallMs() } }])
}

/** Starts the door. @throws Failure `port-taken` when another listens there, `usage` for a token that is too short. */
export const startHttp = async (rooms: Rooms, options: HttpOptions): Promise<HttpDoor> => {
  const { host, port, token, loginSecret, clock, random, onFault } = options
  if (token.length < shortestToken)
    throw new Failure('usage', `the operator token must have ${shortestToken} characters or more`)
  const who = identity({ token, tokens: rooms.tokens, loginSecret, clock, random })
  const page = await readPage(options.disk, options.pageDirectory)
  const routes: readonly Route[] = routesOf(page, onceMaker(), () => routes)
  const closing = new AbortController()
  const tellFault = (fault: Failure, request: string): void => {
    onFault?.(fault, request)
    // A record that cannot take the event has stopped the sitter already (store.onLost).
    recordFault(rooms, fault, request).catch((error: unknown) =>
      onFault?.(new Failure('bug', 'a fault was not recorded', { cause: error }), request),
    )
  }
  const served = await serve({
    host,
    port,
    clock,
    newId: () => rooms.newId('req'),
    identity: who,
    openPaths: new Set(routes.filter((route) => route.open === true).map((route) => route.path)),
    bounds: { ...httpBounds, ...options.bounds },
    answer: makeApp({ rooms, identity: who, routes, closing: closing.signal, onFault: tellFault }),
  })
  return {
    url: served.url,
    loginUrl: `${served.url}/login?code=${who.code}`,
    routes: routes.map(({ method, path, open }) => ({ method, path, ...(open === true && { open }) })),
    stop: async () => {
      closing.abort()
      await served.stop()
    },
  }
}
