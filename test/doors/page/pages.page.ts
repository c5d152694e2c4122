/** Every page: reached, filtered, read in the chosen zone, in both colours and widths, with and without a mouse. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { addSettlement, agentOf } from '../http/house.ts'
import { agentStates } from '../../../src/model/model.ts'
import { crowd, expectNoAxeFaults, killTasks, openScene, usualViewport, type Scene } from './browser.ts'

let scene: Scene
let dead: string[]
let unknown: string
beforeAll(async () => {
  scene = await openScene({ tasks: 40 })
  unknown = await addSettlement(scene.house.store, 'PAY-007', true)
  dead = await killTasks(scene.house, 3)
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

const rowsOf = (page: Page, label: string) => page.getByRole('table', { name: label }).locator('[data-index]')

test('every page is reached by its link, says where one is, and back and forward lead back and forth', async () => {
  const page = await scene.open('')
  for (const [name, title] of [
    ['Agents', 'Agents · payouts'],
    ['Tasks', 'Tasks · payouts'],
    ['Dead letters', 'Dead letters · payouts'],
    ['Settlements', 'Settlements · payouts'],
    ['Inbox', 'Inbox · payouts'],
    ['Credentials', 'Credentials · payouts'],
    ['Log', 'Log · payouts'],
    ['Audit and ledger', 'Audit and ledger · payouts'],
  ] as const) {
    await page
      .getByRole('navigation')
      .getByRole('link', { name: new RegExp(`^${name}`) })
      .click()
    await page.getByRole('heading', { level: 2, name, exact: true }).waitFor()
    await expect.poll(() => page.title()).toBe(title)
    expect(await page.locator('nav [aria-current=page]').innerText()).toContain(name)
  }
  await page.goBack()
  await page.getByRole('heading', { name: 'Log', exact: true }).waitFor()
  await page.goForward()
  await page.getByRole('heading', { name: 'Audit and ledger' }).waitFor()
  await page.goto(`${scene.house.door.url}/#/nowhere/at/all`)
  await page.getByText('Nothing is at this address').waitFor()
})

test('5,000 agents are one table of which a window is drawn; filters live in the address', async () => {
  using _ = crowd(scene.house)
  const page = await scene.open('agents')
  await page.getByText('5,000 agents').first().waitFor()
  expect(await page.getByRole('table', { name: 'Agents' }).getAttribute('aria-rowcount')).toBe('5001')
  expect(await rowsOf(page, 'Agents').count()).toBeLessThan(80)
  await page.getByRole('combobox', { name: 'State' }).selectOption('suspect')
  await page.getByText('100 agents').first().waitFor()
  expect(page.url()).toContain('#/agents?state=suspect')
  await page.getByLabel('Text').fill('settler/2310')
  await page.getByText('1 agent', { exact: false }).first().waitFor()
  await expect.poll(() => page.url()).toContain('text=settler')
  const other = await scene.open(page.url().split('#/')[1]!, { own: {} })
  await rowsOf(other, 'Agents').first().waitFor()
  expect(await rowsOf(other, 'Agents').allInnerTexts()).toEqual([expect.stringContaining('settler/2310')])
  await other.close()
  await page.goBack()
  await page.getByText('5,000 agents').first().waitFor()
  expect(await page.getByRole('combobox', { name: 'State' }).inputValue()).toBe('')
})

test('an agent says why it is held, how it goes on, what is seen of it, and what is not known', async () => {
  const page = await scene.open('agents/settler/0042')
  await page.getByText('six restarts in ten minutes').waitFor()
  const text = await page.locator('main').innerText()
  expect(text).toMatch(/way on\s+time in \d\sm\s\d+\ss/)
  expect(text).toMatch(/progresses\s+\?\s+unknown\s+frames\s+never seen/)
  await page.getByRole('button', { name: 'Release …' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('it falls again', { exact: false }).waitFor()
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  expect(scene.house.told).toEqual([])
})

/** Both looks of what is shown now: on a wide light screen by every rule, on a narrow dark one by those of colour and room. */
const expectNoFaults = async (page: Page, name: string, within?: string): Promise<void> => {
  await expectNoAxeFaults(page, `${name} light`, { ...(within !== undefined && { within }) })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 360, height: 720 })
  await expectNoAxeFaults(page, `${name} dark`, { rules: 'look', ...(within !== undefined && { within }) })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize(usualViewport)
}

test('axe finds nothing on any page, light and wide or dark and narrow, and nothing is wider than the screen', async () => {
  const { house, open } = scene
  // Few rows, of every state.
  house.script.agents = house.script.agents.slice(0, 60)
  for (const [index, state] of agentStates.entries()) house.script.agents[index] = agentOf('settler', index + 1, state)
  const page = await open('')
  const at = async (place: string): Promise<void> => {
    await page.goto(`${house.door.url}/#/${place}`)
    await page.locator('.answer, .happened li, [role=alert], h2:text("No such page")').first().waitFor()
  }
  const places = ['', 'agents', 'agents/settler/0042', 'tasks', `tasks/${dead[0]!}`, 'dead-letters', 'settlements']
  for (const place of [...places, `settlements/${unknown}`, 'inbox', 'log', 'books', 'nowhere', 'tasks/tsk_none']) {
    await at(place)
    await expectNoFaults(page, place)
  }
  await at('')
  await page.getByLabel('Find an agent').fill('settler/42')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary').getByText('progresses').waitFor()
  await expectNoFaults(page, 'panel', 'aside')
  const dialogs = [
    [`settlements/${unknown}`, 'Resolve …'],
    [`tasks/${dead[0]!}`, 'Edit payload …'],
    [`tasks/${dead[0]!}`, 'Discard …'],
    ['', 'Freeze …'],
  ] as const
  for (const [place, button] of dialogs) {
    await at(place)
    await page.getByRole('button', { name: button }).first().click()
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).waitFor()
    await expectNoFaults(page, button, 'dialog[open]')
    await page.keyboard.press('Escape')
  }
  // Seven seconds on a quiet machine.
}, 120_000)

test('on every page each thing that takes the focus shows it, and has a name', async () => {
  const { house, open } = scene
  const page = await open('')
  for (const place of ['', 'agents', `tasks/${dead[0]!}`, 'dead-letters', 'settlements', 'inbox', 'log', 'books']) {
    await page.goto(`${house.door.url}/#/${place}`)
    await page.locator('.answer, .happened li').first().waitFor()
    const [seen, bare] = await page.evaluate<[number, string[]]>(`(() => {
      const all = [...document.querySelectorAll('a[href], button:not(:disabled), input, select, summary, [tabindex="0"]')]
      const shown = all.filter((one) => one.checkVisibility())
      return [shown.length, shown.filter((one) => {
        one.focus({ focusVisible: true })
        const { outlineStyle, outlineWidth } = getComputedStyle(one)
        return document.activeElement !== one || outlineStyle === 'none' || parseFloat(outlineWidth) < 2
      }).map((one) => one.outerHTML.slice(0, 200))]
    })()`)
    expect(seen, place).toBeGreaterThan(10)
    expect(bare, place).toEqual([])
  }
})

test('times are told in the zone that was chosen, and the choice is remembered', async () => {
  const page = await scene.open('agents/settler/0042', { own: { timezoneId: 'Asia/Tokyo' } })
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
