/** The built page in a real browser, against a house of 5,000 agents in several states. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { build } from 'vite'
import type { AgentStateName } from '../../../src/model/model.ts'
import { addSettlement, agentOf, openHouse, token, type TestHouse } from '../http/house.ts'

export const executablePath = '/usr/bin/chromium'

const stateOf = (index: number): AgentStateName => {
  if (index === 41) return 'quarantined'
  if (index % 613 === 7) return 'unknown'
  if (index >= 2_300 && index < 2_400) return 'suspect'
  if (index >= 3_700 && index < 3_760) return 'backoff'
  if (index >= 4_900) return 'starting'
  return (index * 7_919) % 10 < 7 ? 'busy' : 'idle'
}

const setScene = async (house: TestHouse): Promise<void> => {
  const { script, store } = house
  script.agents = [
    ...Array.from({ length: 4_990 }, (_, index) => agentOf('settler', index + 1, stateOf(index))),
    ...Array.from({ length: 10 }, (_, index) => agentOf('notifier', index + 1, 'idle')),
  ]
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

/** Tasks that make the run's bar: 10,000 submitted, some ended. */
const addTasks = async (house: TestHouse, ended: number, total: number): Promise<void> => {
  const { work, store } = house.rooms
  for (let from = 0; from < total; from += 1_000) {
    const answers = await work.submit(
      Array.from({ length: Math.min(1_000, total - from) }, (_, index) => ({ type: 'settle', payload: from + index })),
    )
    const over = answers.slice(0, Math.max(0, Math.min(answers.length, ended - from)))
    await store.transact(
      over.map(
        ({ id }) =>
          ({
            kind: 'task.move',
            with: { task: id, event: { event: 'cancel' }, orNothing: false, wallMs: 1 },
          }) as const,
      ),
    )
  }
}

export interface Scene extends AsyncDisposable {
  readonly house: TestHouse
  readonly browser: Browser
  open(options?: Parameters<Browser['newPage']>[0]): Promise<Page>
}

/** Builds the page, opens the house and a browser. `open` signs in with the token. */
export const openScene = async (tasks = { ended: 615, total: 1_000 }): Promise<Scene> => {
  const pageDirectory = await mkdtemp(join(tmpdir(), 'sitter-built-'))
  const root = join(import.meta.dirname, '../../../dashboard')
  await build({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'error', build: { outDir: pageDirectory } })
  const house = await openHouse({ pageDirectory })
  await setScene(house)
  await addTasks(house, tasks.ended, tasks.total)
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
  return {
    house,
    browser,
    open: async (options) => {
      const page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, ...options })
      page.setDefaultTimeout(10_000)
      await page.goto(`${house.door.url}/login`)
      await page.getByLabel('Operator token').fill(token)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.waitForURL(`${house.door.url}/`)
      return page
    },
    [Symbol.asyncDispose]: async () => {
      await browser.close()
      await house[Symbol.asyncDispose]()
      await rm(pageDirectory, { recursive: true, force: true })
    },
  }
}
