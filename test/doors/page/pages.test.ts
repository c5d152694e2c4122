import axe from 'axe-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import type { SettlementDescription, TaskDescription } from '../../../src/doors/api.ts'
import { addEvents, addSettlement, agentOf, asAgent } from '../http/house.ts'
import { openScene, type Scene } from './browser.ts'
import { allHostile, hostile, strangeIn } from './hostile.ts'

let scene: Scene
let dead: string[]
let unknown: string
beforeAll(async () => {
  scene = await openScene()
  const { house } = scene
  unknown = await addSettlement(house.store, 'PAY-007', true)
  const answer = await house.call('/api/v1/tasks?state=ready&limit=14')
  dead = ((await answer.json()) as { items: { id: string }[] }).items.map(({ id }) => id)
  await house.store.transact(
    dead.map(
      (task) =>
        ({
          kind: 'task.move',
          with: { task, event: { event: 'give-up', reason: 'attempts' }, orNothing: false, wallMs: Date.now() },
        }) as const,
    ),
  )
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

const openAt = async (hash: string, options?: Parameters<Scene['open']>[0]): Promise<Page> => {
  const page = await scene.open(options)
  await page.goto(`${scene.house.door.url}/#/${hash}`)
  await page.locator('main').waitFor()
  return page
}
const rowsOf = (page: Page, label: string) => page.getByRole('table', { name: label }).locator('[data-index]')
const toldOf = (deed: string) => scene.house.told.filter((one) => one.deed === deed).map((one) => one.with)

/** The JSON that a path answers with is changed on its way; everything else is the real door's. */
const answering = async <Answer>(page: Page, path: string, change: (answer: Answer) => Answer): Promise<void> => {
  await page.route(`**${path}`, async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: change((await answer.json()) as Answer) })
  })
}

test('every page is reached by its link, says where one is, and back and forward lead back and forth', async () => {
  const page = await openAt('')
  for (const [name, title] of [
    ['Agents', 'Agents · payouts'],
    ['Tasks', 'Tasks · payouts'],
    ['Dead letters', 'Dead letters · payouts'],
    ['Settlements', 'Settlements · payouts'],
    ['Inbox', 'Inbox · payouts'],
    ['Audit and ledger', 'Audit and ledger · payouts'],
  ] as const) {
    await page.getByRole('navigation').getByRole('link', { name }).click()
    await page.getByRole('heading', { level: 2, name, exact: true }).waitFor()
    await expect.poll(() => page.title()).toBe(title)
    expect(await page.locator('nav [aria-current=page]').innerText()).toContain(name)
  }
  await page.goBack()
  await page.getByRole('heading', { name: 'Inbox', exact: true }).waitFor()
  await page.goForward()
  await page.getByRole('heading', { name: 'Audit and ledger' }).waitFor()
  await page.goto(`${scene.house.door.url}/#/nowhere/at/all`)
  await page.getByText('Nothing is at this address').waitFor()
  await page.close()
})

test('5,000 agents are one table of which a window is drawn; filters live in the address', async () => {
  const page = await openAt('agents')
  await page.getByText('5,000 agents').first().waitFor()
  expect(await page.getByRole('table', { name: 'Agents' }).getAttribute('aria-rowcount')).toBe('5001')
  expect(await rowsOf(page, 'Agents').count()).toBeLessThan(80)
  await page.getByRole('combobox', { name: 'State' }).selectOption('suspect')
  await page.getByText('100 agents').first().waitFor()
  expect(page.url()).toContain('#/agents?state=suspect')
  await page.getByLabel('Text').fill('settler/2310')
  await page.getByText('1 agent', { exact: false }).first().waitFor()
  await expect.poll(() => page.url()).toContain('text=settler')
  const other = await openAt(page.url().split('#/')[1]!)
  await rowsOf(other, 'Agents').first().waitFor()
  expect(await rowsOf(other, 'Agents').allInnerTexts()).toEqual([expect.stringContaining('settler/2310')])
  await other.close()
  await page.goBack()
  await page.getByText('5,000 agents').first().waitFor()
  expect(await page.getByRole('combobox', { name: 'State' }).inputValue()).toBe('')
  await page.close()
})

test('the whole way to a restart is walked with keys alone, and the button works once', async () => {
  const page = await openAt('')
  let let_go = (): void => {}
  scene.house.script.restarting = new Promise((resolve) => {
    let_go = resolve
  })
  const keys: string[] = []
  page.on('request', (request) => {
    const key = request.headers()['idempotency-key']
    if (key !== undefined) keys.push(key)
  })
  await page.keyboard.press('/')
  await page.keyboard.type('settler/00')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'settler/0000' }).waitFor()
  await page.getByText('there is no agent settler/0000').waitFor()
  await page.keyboard.press('Escape')
  await rowsOf(page, 'Agents').first().waitFor()
  for (const key of ['j', 'j', 'ArrowDown', 'k']) await page.keyboard.press(key)
  const focused = (): Promise<string> => page.evaluate<string>('document.activeElement.textContent')
  const first = await rowsOf(page, 'Agents').nth(1).getByRole('link').innerText()
  await expect.poll(focused).toBe(first)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: first, exact: true }).waitFor()
  await page.getByRole('button', { name: 'Restart …' }).focus()
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: `Restart ${first}?` })
  expect(await dialog.innerText()).toContain('One agent is restarted')
  await dialog.getByRole('button', { name: 'Restart 1 agent' }).focus()
  for (let press = 0; press < 4; press += 1) await page.keyboard.press('Enter')
  await dialog.getByRole('button', { name: 'Sending …' }).waitFor()
  expect(await dialog.getByRole('button', { name: 'Sending …' }).isDisabled()).toBe(true)
  let_go()
  await dialog.getByText('The restart is ordered').waitFor()
  expect(toldOf('restart')).toMatchObject([{ agents: [first] }])
  expect(keys).toHaveLength(1)
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  expect(await focused()).toBe('Restart …')
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keys' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.close()
})

test('an agent says why it is held, how it goes on, what is seen of it, and what is not known', async () => {
  const page = await openAt('agents/settler/0042')
  await page.getByText('six restarts in ten minutes').waitFor()
  const text = await page.locator('main').innerText()
  expect(text).toMatch(/way on\s+time in \d+\ss/)
  expect(text).toMatch(/progresses\s+\?\s+unknown\s+frames\s+never seen/)
  await page.getByRole('button', { name: 'Release …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('it falls again', { exact: false }).waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  expect(toldOf('release')).toEqual([])
  await page.close()
})

test('restarting a type wants the number typed that it touches', async () => {
  const page = await openAt('agents?type=notifier')
  await page.getByRole('button', { name: 'Restart type …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('10 agents', { exact: false }).first().waitFor()
  const button = dialog.getByRole('button', { name: 'Restart 10 agents' })
  expect(await button.isDisabled()).toBe(true)
  await dialog.getByLabel(/Type 10/).fill('10')
  await button.click()
  await dialog.getByText('The restart of 10 agents is ordered').waitFor()
  await page.close()
})

test('dead letters go back to work one by one: how many is asked, each failure is told by itself', async () => {
  const page = await openAt('dead-letters')
  await page.getByText('14 dead letters shown').waitFor()
  // One of them is redriven elsewhere between the look and the order, another's answer is lost on the way.
  const [gone, lost] = [dead[2]!, dead[5]!]
  const keys: string[] = []
  await page.route(`**/dead-letters/${lost}/redrive`, async (route) => {
    keys.push(route.request().headers()['idempotency-key']!)
    if (keys.length === 1) await route.abort()
    else await route.continue()
  })
  await page.route(`**/dead-letters/${gone}/redrive`, async (route) => {
    await scene.house.post(`/api/v1/dead-letters/${gone}/redrive`, {})
    await route.continue()
  })
  await page.getByRole('button', { name: 'Choose all 14 shown' }).click()
  await page.getByLabel(`Choose ${dead[0]!}`).uncheck()
  await page.getByRole('button', { name: 'Redrive 13 chosen …' }).click()
  const dialog = page.getByRole('dialog', { name: 'Redrive 13 dead letters?' })
  const button = dialog.getByRole('button', { name: 'Redrive 13 tasks' })
  expect(await button.isDisabled()).toBe(true)
  await dialog.getByLabel(/Type 13/).fill('13')
  await button.click()
  await dialog.getByText('13 of 13: 11 redriven, 1 refused, 1 not known, 0 not sent.').waitFor()
  const troubles = await dialog.locator('.troubles li').allInnerTexts()
  expect(troubles).toEqual([
    expect.stringMatching(new RegExp(`${gone}.* refused: .*not in the dead letters`)),
    expect.stringMatching(new RegExp(`${lost}.* not known whether it was done`)),
  ])
  await dialog.getByRole('button', { name: 'Try 2 tasks again' }).click()
  await dialog.getByText('13 of 13: 12 redriven, 1 refused, 0 not known, 0 not sent.').waitFor()
  expect(new Set(keys).size).toBe(1)
  await dialog.getByRole('button', { name: 'Close' }).click()
  await page.getByText('1 dead letter shown').waitFor()
  await page.close()
})

test('a task is cancelled after a question, and its page shows the end', async () => {
  const { house } = scene
  const { items } = (await (await house.call('/api/v1/tasks?state=ready&limit=1')).json()) as {
    items: { id: string }[]
  }
  const page = await openAt('tasks?state=ready')
  await page.getByRole('link', { name: items[0]!.id }).click()
  await page.getByRole('button', { name: 'Cancel …' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel 1 task' }).click()
  await page.getByRole('dialog').getByText('The task is cancelled').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  await page.locator('main').getByText('cancelled').first().waitFor()
  expect(await page.getByRole('button', { name: 'Cancel …' }).count()).toBe(0)
  const view = (await (await house.call(`/api/v1/tasks/${items[0]!.id}`)).json()) as TaskDescription
  expect(view.state.state).toBe('cancelled')
  await page.close()
})

test('a payment is resolved from the inbox only with evidence, after what follows was said', async () => {
  const page = await openAt('inbox')
  const item = page.locator('li', { hasText: 'PAY-007' })
  await item.getByRole('button', { name: 'Resolve …' }).click()
  const dialog = page.getByRole('dialog', { name: 'Resolve this settlement?' })
  const button = dialog.getByRole('button', { name: 'Resolve', exact: false })
  await button.waitFor()
  await dialog.getByRole('radio', { name: /^absent/ }).check()
  await dialog.getByText('sent again, at once').waitFor()
  await dialog.getByRole('radio', { name: /^settled/ }).check()
  await dialog.getByText('never sent again').waitFor()
  expect(await button.isDisabled()).toBe(true)
  await dialog.getByLabel(/Evidence/).fill('   ')
  expect(await button.isDisabled()).toBe(true)
  await dialog.getByLabel(/Evidence/).fill('statement 21, line 14')
  await button.click()
  await dialog.getByText('Recorded. The settlement is now').waitFor()
  expect(toldOf('resolve')).toMatchObject([{ settlement: unknown, as: 'settled', evidence: 'statement 21, line 14' }])
  await page.close()
})

test('what the sitter refuses or leaves open is told as that, never as done', async () => {
  const page = await openAt(`settlements/${unknown}`)
  const problem = { type: 'about:blank', title: 'x', detail: 'it has changed meanwhile', status: 409 }
  const codes = ['conflict', 'first-try-unknown', 'record-unknown']
  const says = [
    /Refused, nothing was done/,
    /Not known whether .* only then give a new order/,
    /Not known whether .* same key/,
  ]
  let answered = 0
  await page.route('**/resolve', (route) =>
    route.fulfill({
      status: 409,
      json: { ...problem, code: codes[answered++] },
      contentType: 'application/problem+json',
    }),
  )
  await page.getByRole('button', { name: 'Resolve …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: /^settled/ }).check()
  await dialog.getByLabel(/Evidence/).fill('seen')
  for (const said of says) {
    await dialog.getByRole('button', { name: 'Resolve as settled' }).click()
    await expect.poll(() => dialog.getByRole('alert').innerText()).toMatch(said)
  }
  await page.close()
})

test('hostile texts stay texts on every page, and what is invisible is shown', async () => {
  const { house } = scene
  const { agents } = house.script
  const index = agents.findIndex((agent) => agent.id === 'settler/0100')
  agents[index] = { ...agentOf('settler', asAgent('settler/0100').number, 'quarantined'), reason: allHostile }
  await addEvents(house.store, 1, allHostile)
  const evil = await addSettlement(house.store, `PAY ${allHostile}`, true)
  const page = await openAt('')
  const error = { name: hostile[0], message: allHostile, stack: `at x\n\tat ${allHostile}`, code: hostile[1] }
  await answering<TaskDescription>(page, `/api/v1/tasks/${dead[0]!}`, (task) => ({
    ...task,
    key: allHostile,
    payload: JSON.stringify({ big: [allHostile] }).replace('"big"', '"n":9007199254740993,"big"'),
    error,
    history: [
      {
        ...({} as TaskDescription['history'][number]),
        id: 'att_1',
        task: task.id,
        number: 1,
        fence: 1,
        agent: 'settler/0100',
        cell: allHostile,
        startedMs: 1,
        endedMs: 2_001,
        outcome: 'transient',
        error,
      },
    ],
  }))
  await answering<SettlementDescription>(page, `/api/v1/settlements/${evil}`, (one) => ({
    ...one,
    payee: allHostile,
    providerReference: allHostile,
    intents: [
      {
        settlement: one.id,
        number: 1,
        grant: 'grt_1',
        kind: 'pay',
        request: JSON.stringify({ memo: allHostile }),
        hash: 'aa',
        gateId: 'gat_1',
        writtenMs: 1,
        outcome: allHostile,
        evidence: allHostile,
        journal: 4,
        closedMs: 2,
        cost: null,
      },
    ],
  }))
  const places = ['', 'agents?text=settler/0100', 'agents/settler/0100', `tasks/${dead[0]!}`, `settlements/${evil}`]
  for (const place of [...places, 'settlements', 'inbox', 'books', `agents?text=${encodeURIComponent(allHostile)}`]) {
    await page.goto(`${house.door.url}/#/${place}`)
    await page.locator('.answer, .happened li').first().waitFor()
    for (const fold of await page.locator('summary').all()) await fold.click()
    expect(await strangeIn(page), place).toEqual([])
  }
  await page.goto(`${house.door.url}/#/tasks/${dead[0]!}`)
  await page.locator('summary', { hasText: 'Payload' }).click()
  await page.getByRole('region', { name: 'Payload' }).waitFor()
  const text = await page.locator('main').innerText()
  expect(text).toContain('<script>window.pwned=1</script>')
  expect(text).toContain('paid to ⟨U+202E⟩adA⟨U+202C⟩')
  expect(text).toContain('escape⟨U+001B⟩[31m')
  expect(text).toContain('"n": 9007199254740993')
  await page.close()
})

test.each([
  ['light', 1_440],
  ['dark', 360],
] as const)(
  'axe finds nothing on any page in %s at %i pixels, and nothing is wider than the screen',
  async (colorScheme, width) => {
    const page = await openAt('', { colorScheme, viewport: { width, height: 800 } })
    const check = async (name: string): Promise<void> => {
      await page.evaluate(axe.source)
      const { violations } = await page.evaluate<{
        violations: { id: string; nodes: { html: string; failureSummary: string }[] }[]
      }>('axe.run()')
      expect(violations.map(({ id, nodes }) => `${name} ${id}: ${nodes[0]!.html} ${nodes[0]!.failureSummary}`)).toEqual(
        [],
      )
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), name).toBeLessThanOrEqual(0)
    }
    const places = ['', 'agents', 'agents/settler/0042', 'tasks', `tasks/${dead[0]!}`, 'dead-letters', 'settlements']
    for (const place of [...places, `settlements/${unknown}`, 'inbox', 'books', 'nowhere', 'tasks/tsk_none']) {
      await page.goto(`${scene.house.door.url}/#/${place}`)
      await page.locator('.answer, .happened li, [role=alert], h2:text("No such page")').first().waitFor()
      await check(place)
    }
    await page.goto(`${scene.house.door.url}/#/settlements/${unknown}`)
    await page.getByRole('button', { name: 'Resolve …' }).click()
    await page.getByRole('radio', { name: /^absent/ }).check()
    await check('resolve')
    await page.close()
  },
)

test('an answer that stops coming is called old with its age, a first one that fails is not known', async () => {
  const page = await openAt('tasks')
  await page.getByText('100 tasks shown', { exact: false }).waitFor()
  await page.route('**/api/v1/tasks?**', (route) => route.abort())
  await page.getByText(/This is \d+\ss old: the sitter cannot be reached/).waitFor({ timeout: 15_000 })
  expect(await page.locator('.answer.was').count()).toBe(1)
  await page.getByRole('combobox', { name: 'State' }).selectOption('dead')
  await page.getByText('Not known: the sitter cannot be reached').waitFor()
  expect(await rowsOf(page, 'Tasks').count()).toBe(0)
  await page.unrouteAll()
  await page.getByRole('button', { name: 'Ask again' }).click()
  await page.getByText('1 task shown', { exact: false }).waitFor()
  await page.goto(`${scene.house.door.url}/#/tasks/tsk_none`)
  await page.getByText('there is no task tsk_none').waitFor()
  await page.goto(`${scene.house.door.url}/#/tasks?batch=bat_none`)
  await page.getByText('No task is like that.').waitFor()
  await page.close()
})

test('a session that ends leads to the sign-in, and from there back to the same place', async () => {
  const page = await openAt('tasks?state=dead')
  await page.getByText('1 task shown', { exact: false }).waitFor()
  await page.context().clearCookies()
  await page.getByText('This session has ended').waitFor()
  expect(await page.locator('main').count()).toBe(0)
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('Operator token').fill('test-token-0123456789abcdef')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('1 task shown', { exact: false }).waitFor()
  expect(page.url()).toContain('#/tasks?state=dead')
  await page.close()
})

test('times are told in the zone that was chosen, and the choice is remembered', async () => {
  const page = await openAt('agents/settler/0042', { timezoneId: 'Asia/Tokyo' })
  const shown = page.locator('dl time.when').first()
  const zoneOf = async (): Promise<string> => {
    const [iso, text] = [await shown.getAttribute('datetime'), await shown.innerText()]
    const told = /(\d\d):\d\d:\d\d/.exec(text)![1]
    return told === iso!.slice(11, 13) ? 'UTC' : 'local'
  }
  await shown.waitFor()
  expect(await zoneOf()).toBe('local')
  await page.getByRole('button', { name: 'UTC' }).click()
  await expect.poll(zoneOf).toBe('UTC')
  await page.reload()
  await shown.waitFor()
  expect(await zoneOf()).toBe('UTC')
  await page.close()
})
