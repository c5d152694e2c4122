/** What a page says when there is nothing, when it may not look, and when no answer comes. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { pathFacts } from '../../../src/doors/http/paths.ts'
import { deeds } from '../../../dashboard/src/role.ts'
import { expectNoAxeFaults, killTasks, openScene, type Scene } from './browser.ts'

let scene: Scene
let dead: string
beforeAll(async () => {
  scene = await openScene({ settlers: 60, tasks: 300 })
  dead = (await killTasks(scene.house, 1))[0]!
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

const rowsOf = (page: Page, label: string) => page.getByRole('table', { name: label }).locator('[data-index]')

test('an answer that stops coming is called old with its age, a first one that fails is not known', async () => {
  const page = await scene.open('tasks', { clock: true })
  await page.getByText('100 tasks shown', { exact: false }).waitFor()
  await page.route('**/api/v1/tasks?**', (route) => route.abort())
  await page.clock.runFor(5_000)
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
})

test('a session that ends leads to the sign-in, and from there back to the same place', async () => {
  const page = await scene.open('tasks?state=dead', { clock: true })
  await page.getByText('1 task shown', { exact: false }).waitFor()
  await page.context().clearCookies()
  await page.clock.runFor(5_000)
  await page.getByText('This session has ended').waitFor()
  expect(await page.locator('main').count()).toBe(0)
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('Operator token').fill('test-token-0123456789abcdef')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('1 task shown', { exact: false }).waitFor()
  expect(page.url()).toContain('#/tasks?state=dead')
})

test('who may not order anything sees every button dead, with who may, and the sitter refuses it all the same', async () => {
  const { house, open } = scene
  const page = await open('agents/settler/0042', { role: 'viewer' })
  await page.locator('.who').getByText('viewer').waitFor()
  const says = 'Not for the role viewer. Who may: operator, admin.'
  await page.locator('main').getByText(says).first().waitFor()
  for (const [place, names] of [
    ['agents/settler/0042', ['Restart …', 'Release …']],
    ['agents?type=notifier', ['Restart type …']],
    [`tasks/${dead}`, ['Redrive …', 'Edit payload …', 'Discard …']],
    ['dead-letters', ['Redrive 0 chosen …', 'Discard 0 chosen …']],
    ['inbox', ['Resolve …', 'Redrive …', 'Release …']],
  ] as const) {
    await page.goto(`${house.door.url}/#/${place}`)
    for (const name of [...names, 'Freeze …']) {
      const button = page.getByRole('button', { name, exact: true }).first()
      await button.waitFor()
      expect(await button.getAttribute('aria-disabled'), name).toBe('true')
      expect(await button.getAttribute('title'), name).toMatch(/^Not for the role viewer\. Who may: /)
      await button.focus()
      await page.keyboard.press('Enter')
    }
  }
  expect(await page.getByRole('dialog').count()).toBe(0)
  expect(house.told).toEqual([])
  const status = await page.evaluate<number>(
    `fetch('/api/v1/agents/settler/42/restart', { method: 'POST' }).then((answer) => answer.status)`,
  )
  expect(status).toBe(403)
})

test.each([
  ['operator', ['Redrive …', 'Edit payload …', 'Discard …', 'Freeze …'], 2, false],
  ['approver', ['Freeze …'], 0, false],
  ['auditor', [], 5, true],
] as const)('the role %s is offered exactly what it may', async (role, may, exports, audits) => {
  const { house, open } = scene
  const page = await open(`tasks/${dead}`, { role })
  await page.getByRole('button', { name: 'Discard …' }).waitFor()
  const offered = await page.locator('button:not([aria-disabled])').allInnerTexts()
  expect(offered.filter((name) => name.endsWith('…')).toSorted()).toEqual([...may].toSorted())
  await page.goto(`${house.door.url}/#/books`)
  await page.getByText('Balanced over').waitFor()
  expect(await page.locator('.exports a').count()).toBe(exports)
  if (audits) await page.getByText('entries chained').waitFor()
  expect(await page.getByText(`not checked here. Not for the role ${role}`, { exact: false }).count()).toBe(
    audits ? 0 : 1,
  )
  const resolve = deeds.resolve
  await page.goto(`${house.door.url}/#/inbox`)
  const button = page.getByRole('button', { name: 'Resolve …' }).first()
  await button.waitFor()
  expect((await button.getAttribute('aria-disabled')) === null).toBe(pathFacts[resolve]!.may.includes(role))
})

test('what is not for this role is said to be that, with nothing of an old answer left', async () => {
  const page = await scene.open('tasks', { clock: true })
  await page.getByText('100 tasks shown', { exact: false }).waitFor()
  await page.route('**/api/v1/tasks?**', (route) =>
    route.fulfill({
      status: 403,
      contentType: 'application/problem+json',
      json: { code: 'forbidden', detail: 'the role viewer of ann may not do this', status: 403, title: 'x', type: 'x' },
    }),
  )
  await page.clock.runFor(6_000)
  await page.getByText('Not shown: the role viewer of ann may not do this').waitFor()
  expect(await rowsOf(page, 'Tasks').count()).toBe(0)
})

test('old figures answer none of the three questions, and an order given on them says how old they are', async () => {
  const { house, open } = scene
  const page = await open('', { clock: true })
  await page.locator('.verdict').getByText('1 agent quarantined').waitFor()
  expect(await page.locator('.verdict').innerText()).toMatch(
    /act\?\s+! You, or who has your role\s+2 payments \(approver\) · 1 dead letter \(operator\)/,
  )
  await house.door.stop()
  await page.clock.runFor(20_000)
  await expect
    .poll(() => page.locator('.verdict').innerText())
    .toMatch(/broken\?\s+\? Not known now\s+\d+\ss ago: 2 things/)
  expect(await page.locator('.verdict b').allInnerTexts()).toEqual(Array(3).fill('? Not known now'))
  await expectNoAxeFaults(page, 'stale', { rules: 'look' })
  await page.getByRole('button', { name: 'Freeze …' }).click()
  await page
    .getByRole('dialog')
    .getByText(/What this dialog tells is \d+\ss old/)
    .waitFor()
  await house.reopen()
  await page.keyboard.press('Escape')
  await page.clock.runFor(2_000)
  await page.locator('.verdict').getByText('You, or who has your role').waitFor()
})

test('a first look at a sitter that is away shows no figure at all', async () => {
  const page = await scene.open('')
  await page.route('**/api/v1/**', (route) => route.abort())
  await page.reload()
  await page.getByText('No answer from the sitter: the sitter cannot be reached').waitFor()
  expect(await page.locator('main').count()).toBe(0)
  expect(await page.title()).toBe('away · Swarmsitter')
})

test('lists with nothing in them say what that means', async () => {
  const { house, open } = scene
  const page = await open('')
  for (const [place, says] of [
    ['tasks?batch=bat_none', 'No task is like that.'],
    ['agents?text=nobody', 'No agent is like that now.'],
    ['dead-letters?error=nothing-like-it', 'No dead letter is like that.'],
    ['dead-letters?type=none', 'No dead letter is like that.'],
    ['settlements?channel=none', 'No settlement is like that.'],
    ['log?grep=nothing-like-it', 'No line is like that.'],
    ['agents/settler/0001', 'settler/0001 has logged nothing.'],
    ['settlements/set_none', 'there is no settlement set_none'],
    ['agents/settler/9999', 'there is no agent settler/9999'],
  ] as const) {
    await page.goto(`${house.door.url}/#/${place}`)
    await page.getByText(says).waitFor()
  }
})
