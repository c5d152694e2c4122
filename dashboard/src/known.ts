/**
 * What the page knows, as signals, and the loops that ask. One question of each kind at a time, at most once a second;
 * while the page is hidden nothing is asked and the event stream is closed. Other pages bring their own questions.
 */
import { computed, effect, signal } from '@preact/signals'
import type {
  AgentDescription,
  AgentMap,
  AuditVerdict,
  EventView,
  InboxCauses,
  List,
  SelfAnswer,
  SwarmView,
} from '../../src/doors/api.ts'
import { ask, AskFault, sentence } from './ask.ts'
import { connectionOf, type Heard } from './freshness.ts'
import { progressOf, withSample, type Sample } from './progress.ts'
import { me, mayVerify } from './role.ts'
import { place } from './route.ts'

const everyMs = 1_000
const auditEveryMs = 60_000
const eventsKept = 200

export const heard = signal<Heard>({ atMs: null, fault: null, signedOut: false })
/** Monotonic now, moved once a second, so that ages on the page grow while no answer comes. */
export const nowMs = signal(performance.now())
export const connection = computed(() => connectionOf(heard.value, nowMs.value))
export const isFresh = computed(() => connection.value.state === 'live')

export const swarm = signal<SwarmView | null>(null)
/**
 * The sitter's wall clock by now: what it said, moved on by what passed here since. Ages are told by it, also of old
 * figures.
 */
export const sitterNowMs = computed(
  () => (swarm.value?.nowMs ?? 0) + Math.max(0, nowMs.value - (heard.value.atMs ?? nowMs.value)),
)
export const agents = signal<AgentMap | null>(null)
export const inbox = signal<InboxCauses | null>(null)
export const events = signal<readonly EventView[] | null>(null)
export const eventsFault = signal<string | null>(null)
export const samples = signal<readonly Sample[]>([])
/** Outcome of the last audit check: a verdict with its time, or why there is none. */
export const audit = signal<
  { readonly verdict: AuditVerdict; readonly atMs: number } | { readonly fault: string } | 'asking' | null
>(null)

export const chosen = signal<string | null>(null)
export const described = signal<AgentDescription | { readonly fault: string } | null>(null)

/** The map, the inbox and the events beside it are asked for only where they are shown. */
const onOverview = computed(() => place.value.path.length === 0)

const askDescription = async (): Promise<void> => {
  const id = chosen.value
  if (id === null) return
  let answer: AgentDescription | { readonly fault: string }
  try {
    answer = await ask<AgentDescription>(`/api/v1/agents/${id}`)
  } catch (error) {
    answer = { fault: sentence(error) }
  }
  if (chosen.value === id) described.value = answer
}

/** Opens the panel of an agent, or closes it with null. */
export const choose = (id: string | null): void => {
  chosen.value = id
  described.value = null
  void askDescription()
}

const askOverview = async (view: SwarmView): Promise<void> => {
  const map = await ask<AgentMap>('/api/v1/agents/map')
  // Who has left meanwhile must not find an old map on coming back.
  if (!onOverview.value) return
  agents.value = map
  await askInbox(view)
}

const askInbox = async (view: SwarmView): Promise<void> => {
  if (view.person === 0) {
    inbox.value = { items: [], more: false }
    return
  }
  inbox.value = await ask<InboxCauses>('/api/v1/inbox?by=cause')
}

const askAll = async (): Promise<void> => {
  try {
    const [view] = await Promise.all([ask<SwarmView>('/api/v1/swarm'), askDescription()])
    swarm.value = view
    const { ended, settled } = progressOf(view)
    samples.value = withSample(samples.value, { atMs: view.figuresMs, ended, settled })
    heard.value = { atMs: performance.now(), fault: null, signedOut: false }
    // Asked until it is answered: a session keeps its role.
    me.value ??= await ask<SelfAnswer>('/api/v1/tokens/self')
    if (onOverview.value) await askOverview(view)
  } catch (error) {
    heard.value = { ...heard.value, fault: sentence(error), signedOut: error instanceof AskFault && error.signedOut }
  }
}

export const askAudit = async (): Promise<void> => {
  audit.value = 'asking'
  // A long chain takes its time; the answer says how many entries were followed.
  try {
    audit.value = {
      verdict: await ask<AuditVerdict>('/api/v1/audit/verify', { patienceMs: 120_000 }),
      atMs: performance.now(),
    }
  } catch (error) {
    audit.value = { fault: sentence(error) }
  }
}

/** Events that came since the last turn of the page; flushed once a second so that a flood does not paint each time. */
let arrived: EventView[] = []
let stream: EventSource | null = null
let streamAgainAtMs = 0

const flushEvents = (): void => {
  if (arrived.length === 0) return
  const known = events.value?.[0]?.seq ?? 0
  events.value = [...arrived.filter((event) => event.seq > known).toReversed(), ...(events.value ?? [])].slice(
    0,
    eventsKept,
  )
  arrived = []
}

const openStream = async (): Promise<void> => {
  if (stream !== null || performance.now() < streamAgainAtMs) return
  streamAgainAtMs = performance.now() + 5_000
  try {
    const latest = await ask<List<EventView>>(`/api/v1/events?newestFirst=true&limit=${eventsKept}`)
    if (stream !== null || document.hidden || !onOverview.value) return
    events.value = latest.items
    eventsFault.value = null
    const source = new EventSource(`/api/v1/events?after=${latest.items[0]?.seq ?? 0}`)
    stream = source
    source.addEventListener('message', (message) => {
      arrived.push(JSON.parse(message.data as string) as EventView)
      // Bound between two flushes: what does not fit is older than what is shown.
      if (arrived.length > eventsKept) arrived.shift()
    })
    source.addEventListener('open', () => {
      eventsFault.value = null
    })
    source.addEventListener('error', () => {
      eventsFault.value = 'the event stream is interrupted; trying again'
      if (source.readyState === EventSource.CLOSED) closeStream()
    })
  } catch (error) {
    eventsFault.value = sentence(error)
  }
}

const closeStream = (): void => {
  stream?.close()
  stream = null
}

let asking = false
let auditAskedMs = -auditEveryMs

const turn = async (): Promise<void> => {
  nowMs.value = performance.now()
  if (document.hidden) return
  flushEvents()
  if (onOverview.value) void openStream()
  if (mayVerify.value && performance.now() - auditAskedMs >= auditEveryMs) {
    auditAskedMs = performance.now()
    void askAudit()
  }
  if (asking) return
  asking = true
  try {
    await askAll()
  } finally {
    asking = false
  }
  nowMs.value = performance.now()
}

/** What only the overview shows is dropped on leaving it, and asked for at once on coming back. */
const followPlace = (): void => {
  effect(() => {
    if (onOverview.value) {
      streamAgainAtMs = 0
      void turn()
      return
    }
    closeStream()
    chosen.value = null
    described.value = null
    agents.value = null
    inbox.value = null
    events.value = null
    arrived = []
  })
}

/** Asks at once, after an order. */
export const askNow = (): void => void turn()

/** Starts the loops. */
export const start = (): void => {
  setInterval(() => {
    void turn()
  }, everyMs)
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) closeStream()
    else {
      streamAgainAtMs = 0
      void turn()
    }
  })
  followPlace()
  void turn()
}
