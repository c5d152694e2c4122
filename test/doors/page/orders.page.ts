/** What a person orders from the page: asked about first, sent once, told as it came out. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import type { TaskDescription } from '../../../src/doors/api.ts'
import { addSettlement, json } from '../http/house.ts'
import { killTasks, openScene, type Scene } from './browser.ts'

let scene: Scene
let dead: string[]
let unknown: string
beforeAll(async () => {
  scene = await openScene({ settlers: 60, tasks: 100 })
  unknown = await addSettlement(scene.house.store, 'PAY-007', true)
  dead = await killTasks(scene.house, 14)
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

const rowsOf = (page: Page, label: string) => page.getByRole('table', { name: label }).locator('[data-index]')
const toldOf = (deed: string) => scene.house.told.filter((one) => one.deed === deed).map((one) => one.with)

test('the whole way to a restart is walked with keys alone, and the button works once', async () => {
  const page = await scene.open('')
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
})

test('restarting a type wants the number typed that it touches', async () => {
  const page = await scene.open('agents?type=notifier')
  await page.getByRole('button', { name: 'Restart type …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('10 agents', { exact: false }).first().waitFor()
  const button = dialog.getByRole('button', { name: 'Restart 10 agents' })
  expect(await button.isDisabled()).toBe(true)
  await dialog.getByLabel(/Type 10/).fill('10')
  await button.click()
  await dialog.getByText('The restart of 10 agents is ordered').waitFor()
})

test('dead letters go back to work one by one: how many is asked, each failure is told by itself', async () => {
  const page = await scene.open('dead-letters')
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
})

test('a task is cancelled after a question, and its page shows the end', async () => {
  const { house } = scene
  const { items } = (await (await house.call('/api/v1/tasks?state=ready&limit=1')).json()) as {
    items: { id: string }[]
  }
  const page = await scene.open('tasks?state=ready')
  await page.getByRole('link', { name: items[0]!.id }).click()
  await page.getByRole('button', { name: 'Cancel …' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel 1 task' }).click()
  await page.getByRole('dialog').getByText('The task is cancelled').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  await page.locator('main').getByText('cancelled').first().waitFor()
  expect(await page.getByRole('button', { name: 'Cancel …' }).count()).toBe(0)
  const view = (await (await house.call(`/api/v1/tasks/${items[0]!.id}`)).json()) as TaskDescription
  expect(view.state.state).toBe('cancelled')
})

test('a payment is resolved from the inbox only with evidence, after what follows was said', async () => {
  const page = await scene.open('inbox')
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
  expect(toldOf('resolve')).toMatchObject([{ settlement: unknown, as: 'settled', why: 'statement 21, line 14' }])
})

test('what the sitter refuses or leaves open is told as that, never as done', async () => {
  const page = await scene.open(`settlements/${unknown}`)
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
})

test('a dead letter gets another payload: judged while it is typed, sent as it was typed, kept beside the old one', async () => {
  const { house, open } = scene
  const [task] = await killTasks(house, 1)
  const page = await open(`tasks/${task!}`)
  const bodies: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST') bodies.push(request.postData()!)
  })
  await page.getByRole('button', { name: 'Edit payload …' }).click()
  const dialog = page.getByRole('dialog', { name: 'Try again with another payload?' })
  const [field, button] = [dialog.getByLabel(/^Payload/), dialog.getByRole('button', { name: /^Save as version 2/ })]
  const judged = async (text: string, says: string | RegExp): Promise<void> => {
    await field.fill(text)
    await dialog.getByText(says).waitFor()
    expect(await button.isDisabled()).toBe(true)
  }
  await dialog.getByText('Nothing is changed yet.').waitFor()
  expect(await field.inputValue()).toMatch(/^\{\n {2}"reference": "PAY-\d+"\n\}$/)
  await judged('{"reference": ', 'This is not JSON yet')
  await judged('{"reference": 9007199254740993}', 'would be stored as 9007199254740992')
  await field.fill('{"reference":"PAY-new", "rate": 12.10}')
  await button.click()
  await dialog.getByText('The task has payload version 2').waitFor()
  expect(bodies).toEqual(['{"version":1,"payload":{"reference":"PAY-new", "rate": 12.10}}'])
  await dialog.getByRole('button', { name: 'Close' }).click()
  await page.locator('summary', { hasText: 'Payload, version 1, replaced' }).click()
  await page.locator('pre', { hasText: /PAY-\d/ }).waitFor()
  await page.locator('.replaced').getByText('Replaced by session:operator').waitFor()
  const view = (await (await house.call(`/api/v1/tasks/${task!}`)).json()) as TaskDescription
  expect([view.state.state, view.payload, view.version]).toEqual(['ready', '{"rate":12.1,"reference":"PAY-new"}', 2])
})

test('a payload that somebody else has replaced meanwhile is not written over', async () => {
  const { house, open } = scene
  const [task] = await killTasks(house, 1)
  const page = await open(`tasks/${task!}`)
  await page.getByRole('button', { name: 'Edit payload …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel(/^Payload/).fill('{"reference": "mine"}')
  await house.post(`/api/v1/tasks/${task!}/retry`, { payload: { reference: 'theirs' } })
  await dialog.getByRole('button', { name: /^Save/ }).click()
  await expect.poll(() => dialog.innerText()).toContain('Refused, nothing was done')
  const view = (await (await house.call(`/api/v1/tasks/${task!}`)).json()) as TaskDescription
  expect(view.payload).toBe('{"reference":"theirs"}')
})

test('what is discarded is named, wants the number typed when there are more, and is gone for good', async () => {
  const { house, open } = scene
  const ids = await killTasks(house, 3)
  const page = await open('dead-letters')
  for (const id of ids.slice(0, 2)) await page.getByLabel(`Choose ${id}`).check()
  await page.getByRole('button', { name: 'Discard 2 chosen …' }).click()
  const dialog = page.getByRole('dialog', { name: 'Discard 2 dead letters?' })
  await dialog.getByText('2 tasks end as cancelled, for good').waitFor()
  const button = dialog.getByRole('button', { name: 'Discard 2 tasks' })
  expect(await button.isDisabled()).toBe(true)
  await dialog.getByLabel(/Type 2/).fill('2')
  await button.click()
  await dialog.getByText('2 of 2: 2 discarded, 0 refused').waitFor()
  await dialog.getByRole('button', { name: 'Close' }).click()
  await page.goto(`${house.door.url}/#/tasks/${ids[2]!}`)
  await page.getByRole('button', { name: 'Discard …' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Discard 1 task' }).click()
  await page.getByRole('dialog').getByText('1 discarded').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  await page.locator('main').getByText('discarded by session:operator').waitFor()
  for (const id of ids) {
    const view = (await (await house.call(`/api/v1/tasks/${id}`)).json()) as TaskDescription
    expect(view.state.state).toBe('cancelled')
  }
})

test('all that match a filter are counted by the sitter first, and that number must be typed', async () => {
  const { house, open } = scene
  await killTasks(house, 5)
  const page = await open('dead-letters?type=settle')
  const all = ((await json(await house.call('/api/v1/dead-letters?type=settle')))['items'] as unknown[]).length
  await page.getByRole('button', { name: 'Redrive all that match …' }).click()
  const dialog = page.getByRole('dialog', { name: 'Redrive all dead letters that match?' })
  await dialog.getByText(`${all} dead letters of type settle become ready again`).waitFor()
  const button = dialog.getByRole('button', { name: `Redrive ${all} tasks` })
  expect(await button.isDisabled()).toBe(true)
  await killTasks(house, 1)
  await dialog.getByLabel(`Type ${all} to go on`).fill(String(all))
  await button.click()
  await dialog.getByText(`${all} tasks redriven.`).waitFor()
  await dialog.getByRole('button', { name: 'Close' }).click()
  // One that died while the question stood is not among those that were typed.
  await page.getByText('1 dead letter shown').waitFor()
})

test('freeze says what stops and what goes on, and holds until the name is typed to thaw', async () => {
  const { open } = scene
  const page = await open('agents')
  await page.getByRole('button', { name: 'Freeze …' }).click()
  const dialog = page.getByRole('dialog', { name: 'Freeze payouts?' })
  const text = await dialog.innerText()
  expect(text).toMatch(/Stops: every new call and payment of the swarm payouts to northbank \(3 wait in the gate now\)/)
  expect(text).toMatch(/Goes on: 12 calls in flight end and are recorded; 70 agents keep running/)
  expect(toldOf('gate.freeze')).toEqual([])
  await dialog.getByLabel(/^Reason/).fill('the bank <b>called</b>')
  await page.keyboard.press('Enter')
  await dialog.getByText('Frozen: the gate says so.').waitFor()
  await dialog.getByRole('button', { name: 'Close' }).click()
  const bar = page.getByRole('alert').filter({ hasText: 'Frozen: nothing new goes out.' })
  await bar.getByText('the bank <b>called</b>').waitFor()
  expect(await bar.innerText()).toContain('By session:operator')
  expect(await page.getByRole('button', { name: 'Freeze …' }).count()).toBe(0)
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.locator('.verdict').getByText('No: the swarm is frozen').waitFor()
  await bar.getByRole('button', { name: 'Thaw …' }).click()
  const thaw = page.getByRole('dialog', { name: 'Thaw payouts?' })
  await thaw.getByText('the bank <b>called</b>').waitFor()
  const button = thaw.getByRole('button', { name: 'Thaw: money moves again' })
  expect(await button.isDisabled()).toBe(true)
  await thaw.getByLabel(/Type payouts/).fill('payouts')
  await button.click()
  await thaw.getByText('Thawed: what waited goes out now.').waitFor()
  await thaw.getByRole('button', { name: 'Close' }).click()
  await bar.waitFor({ state: 'detached' })
  expect(toldOf('gate.freeze')).toMatchObject([{ frozen: true }, { frozen: false }])
})

test('a freeze whose answer is lost is told as unknown, with the way that needs no sitter', async () => {
  const page = await scene.open('')
  await page.route('**/swarm/freeze', (route) => route.abort())
  await page.getByRole('button', { name: 'Freeze …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: /^Freeze:/ }).click()
  await dialog.getByText('Not known whether it was done').waitFor()
  await dialog.getByText('sitter freeze').waitFor()
})
