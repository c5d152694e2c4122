/** The built page in a real browser, against a house of a few agents in several states, or of 5,000. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { expect, inject } from 'vitest'
import type { AgentStateName } from '../../../src/model/model.ts'
import type { Role } from '../../../src/record/record.ts'
import { addSettlement, agentOf, json, openHouse, token, type TestHouse } from '../http/house.ts'
import { theBrowser } from './launch.ts'

const stateOf = (index: number): AgentStateName => {
  if (index === 41) return 'quarantined'
  if (index % 613 === 7) return 'unknown'
  if (index >= 2_300 && index < 2_400) return 'suspect'
  if (index >= 3_700 && index < 3_760) return 'backoff'
  if (index >= 4_900) return 'starting'
  return (index * 7_919) % 10 < 7 ? 'busy' : 'idle'
}

const agentsOf = (settlers: number): TestHouse['script']['agents'] => [
  ...Array.from({ length: settlers }, (_, index) => agentOf('settler', index + 1, stateOf(index))),
  ...Array.from({ length: 10 }, (_, index) => agentOf('notifier', index + 1, 'idle')),
]

/** 5,000 agents until it is disposed of: only what is about their number pays for them, at each question of the page. */
export const crowd = ({ script }: TestHouse): Disposable => {
  const before = script.agents
  script.agents = agentsOf(4_990)
  return {
    [Symbol.dispose]: () => {
      script.agents = before
    },
  }
}

const setScene = async (house: TestHouse, settlers: number): Promise<void> => {
  const { script, store } = house
  script.agents = agentsOf(settlers)
  script.settle = {
    byState: {
      settled: { count: 6_120, amounts: { XTS: '1530000.00' } },
      rejected: { count: 31, amounts: { XTS: '7750.00' } },
      unknown: { count: 2, amounts: { XTS: '500.00' } },
      submitting: { count: 380, amounts: { XTS: '95000.00' } },
    },
    tries: 6_533,
    unknown: [],
    person: 2,
    idle: false,
    cost: [{ currency: 'XTS', amount: '65.33', calls: 6_533, perSettlement: '0.0107' }],
    costUnknown: 0,
  }
  script.ledger = {
    ok: true,
    transfers: 12_684,
    accounts: 4,
    faults: [],
    byCurrency: [{ currency: 'XTS', debits: '1632750.00', credits: '1632750.00', pending: '95500.00' }],
  }
  script.notBuilt = ['approvals and limits a day', 'message bus', 'schedules', 'PostgreSQL']
  await addSettlement(store, 'PAY-004711', true)
  await addSettlement(store, 'PAY-008812', true)
  const kinds = ['agent.restarted', 'cell.lost', 'settlement.unknown', 'task.dead'] as const
  const events = Array.from(
    { length: 40 },
    (_, index) =>
      ({
        kind: kinds[index % 4]!,
        level: index % 4 === 0 ? 'info' : index % 9 === 1 ? 'error' : 'warn',
        subject: index % 4 === 1 ? 'cel_0197a4c2-77aa' : `settler/${String(index * 97).padStart(4, '0')}`,
        message: [
          'restarted after its host was killed',
          'pool host 4031 was killed from outside; 100 agents move',
          'no answer came; the provider is asked in 60 s',
          'gave up after 8 attempts: 500 from northbank',
        ][index % 4]!,
        facts: {},
      }) as const,
  )
  await store.transact([{ kind: 'events.add', with: { events, wallMs: Date.now() - 20_000 } }])
  const entry = {
    actor: 'sitter',
    action: 'settlement.submit',
    object: 'set_1',
    decision: 'allowed',
    facts: {},
  } as const
  await store.transact([
    { kind: 'audit.append', with: { wallMs: 1, entries: Array.from({ length: 500 }, () => entry) } },
  ])
}

/** Tasks that make the run's bar: 1,000 submitted, some ended. */
const addTasks = async (house: TestHouse, ended: number, total: number): Promise<void> => {
  const { work, store } = house.rooms
  const answers = await work.submit(
    Array.from({ length: total }, (_, index) => ({ type: 'settle', payload: { reference: `PAY-${index}` } })),
  )
  await store.transact(
    answers.slice(0, ended).map(
      ({ id }) =>
        ({
          kind: 'task.move',
          with: { task: id, event: { event: 'cancel' }, orNothing: false, wallMs: 1 },
        }) as const,
    ),
  )
}

/** Lets ready tasks give up, and gives their ids. */
export const killTasks = async ({ call, store }: TestHouse, count: number): Promise<string[]> => {
  const answer = await call(`/api/v1/tasks?state=ready&limit=${count}`)
  const ids = ((await answer.json()) as { items: { id: string }[] }).items.map(({ id }) => id)
  await store.transact(
    ids.map(
      (task) =>
        ({
          kind: 'task.move',
          with: { task, event: { event: 'give-up', reason: 'attempts' }, orNothing: false, wallMs: Date.now() },
        }) as const,
    ),
  )
  return ids
}

export const usualViewport = { width: 1_440, height: 720 }

/** The cookie that the sign-in form gives for a token. */
const sessionOf = async (url: string, shown: string): Promise<{ name: string; value: string; url: string }> => {
  const entered = await fetch(`${url}/login`, {
    method: 'POST',
    body: new URLSearchParams({ token: shown }),
  })
  const [name = '', value = ''] = entered.headers.get('set-cookie')!.split(';')[0]!.split('=')
  return { name, value, url }
}

/** Two pages for all tests: a new one costs a second of a core, loading one anew a third of that. */
const residents = new Map<'plain' | 'clocked', Page>()

const freshPage = async (options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> => {
  const context = await (await theBrowser()).newContext({ viewport: usualViewport, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  return page
}

/** Shows what asks for nothing, and is of the same site: for another one the browser begins a process anew. */
const rest = async (page: Page): Promise<void> => {
  const here = new URL(page.url())
  if (here.pathname === '/') await page.goto(new URL('/login', here).href)
}

/** A page that others have used, with nothing of them left but its process. The other one is left: it would go on asking. */
const residentPage = async (kind: 'plain' | 'clocked'): Promise<Page> => {
  let page = residents.get(kind)
  for (const other of residents.values()) if (other !== page) await rest(other)
  if (page === undefined || page.isClosed()) {
    page = await freshPage()
    if (kind === 'clocked') await page.clock.install()
    residents.set(kind, page)
  }
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  for (const event of ['request', 'console', 'pageerror'] as const) page.removeAllListeners(event)
  await page.context().clearCookies()
  return page
}

/** Loads the page at a place, also where only the part after the `#` is another. */
const load = async (page: Page, url: string, place: string): Promise<void> => {
  const here = `${url}/#/${place}`
  if (page.url().startsWith(`${url}/`)) {
    await page.evaluate(
      `localStorage.clear(); sessionStorage.clear(); history.replaceState(null, '', ${JSON.stringify(here)})`,
    )
    await page.reload()
  } else await page.goto(here)
}

export interface Open {
  /** By default the operator's token, whose role is admin. */
  readonly role?: Role
  /** The page's clock can be moved forward. */
  readonly clock?: boolean
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
  /** A page of its own, beside the one that the others use. */
  readonly own?: { readonly timezoneId?: string }
}

/** A page at a place of a door, with the session that this token opens. */
export const openPage = async (
  url: string,
  shown: string,
  place: string,
  options: Omit<Open, 'role'> = {},
): Promise<Page> => {
  const { clock = false, colorScheme = 'light', width, own } = options
  const page = own === undefined ? await residentPage(clock ? 'clocked' : 'plain') : await freshPage(own)
  await page.emulateMedia({ colorScheme })
  await page.setViewportSize({ ...usualViewport, ...(width !== undefined && { width }) })
  await page.context().addCookies([await sessionOf(url, shown)])
  await load(page, url, place)
  await page.locator('main').waitFor()
  return page
}

/** Before a door ends: what were asked of it later would be an error in somebody else's test. */
export const leavePages = async (): Promise<void> => {
  for (const page of residents.values()) await rest(page)
}

export interface Scene extends AsyncDisposable {
  readonly house: TestHouse
  /** A page with a session, at a place (`agents?type=settler`). */
  open(place?: string, options?: Open): Promise<Page>
}

/** Opens a house. */
export const openScene = async ({ settlers = 120, tasks = 1_000 } = {}): Promise<Scene> => {
  const house = await openHouse({ pageDirectory: inject('pageDirectory') })
  await setScene(house, settlers)
  await addTasks(house, Math.round(tasks * 0.615), tasks)
  const tokens = new Map<Role, string>([['admin', token]])
  const tokenOf = async (role: Role): Promise<string> => {
    const known = tokens.get(role)
    if (known !== undefined) return known
    const made = String((await json(await house.post('/api/v1/tokens', { name: `test-${role}`, role })))['token'])
    tokens.set(role, made)
    return made
  }
  return {
    house,
    open: async (place = '', { role = 'admin', ...options } = {}) =>
      openPage(house.door.url, await tokenOf(role), place, options),
    [Symbol.asyncDispose]: async () => {
      await leavePages()
      await house[Symbol.asyncDispose]()
    },
  }
}

/** Rules whose verdict depends on colours and on the room that there is; the others see the same at any width. */
const lookRules = ['color-contrast', 'scrollable-region-focusable', 'target-size', 'link-in-text-block']

interface AxeAsk {
  readonly rules?: 'all' | 'look'
  /** Only this part of the page, when the rest of it has been seen at this place. */
  readonly within?: string
}

/** Nothing that axe can find is wrong, and nothing is wider than the screen. */
export const expectNoAxeFaults = async (
  page: Page,
  name: string,
  { rules = 'all', within = 'html' }: AxeAsk = {},
): Promise<void> => {
  if (!(await page.evaluate<boolean>('"axe" in window')))
    await page.evaluate(readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8'))
  const options = { resultTypes: ['violations'], ...(rules === 'look' && { runOnly: lookRules }) }
  const { violations } = await page.evaluate<{
    violations: { id: string; nodes: { html: string; failureSummary: string }[] }[]
  }>(`axe.run(${JSON.stringify(within)}, ${JSON.stringify(options)})`)
  expect(violations.map(({ id, nodes }) => `${name} ${id}: ${nodes[0]!.html} ${nodes[0]!.failureSummary}`)).toEqual([])
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), name).toBeLessThanOrEqual(0)
}

/** The JSON that a path answers with is changed on its way; everything else is the real door's. */
export const answering = async <Answer>(
  page: Page,
  path: string,
  change: (answer: Answer) => Answer,
): Promise<void> => {
  await page.route(`**${path}`, async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: change((await answer.json()) as Answer) })
  })
}
