/** The overview: what it shows, in which colours, how it is walked, and what it says when nothing more comes. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import type { Page } from 'playwright-core'
import { addEvents, agentOf, asAgent } from '../http/house.ts'
import { crowd, openScene, type Scene } from './browser.ts'
import { theBrowser } from './launch.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene()
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

const settlers = (page: Page) => page.getByRole('application', { name: /settler/ })
const ready = async (page: Page): Promise<void> => {
  await settlers(page).waitFor()
}

test('the page shows what the sitter says: progress, agents, who must act, checks, what is not built', async () => {
  using _ = crowd(scene.house)
  const page = await scene.open()
  const strange: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') strange.push(message.text())
  })
  page.on('pageerror', (error) => {
    strange.push(error.message)
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(scene.house.door.url)) strange.push(request.url())
  })
  await page.reload()
  await ready(page)
  await expect.poll(() => page.title()).toBe('payouts')
  expect(await page.getByRole('status').first().textContent()).toBe('live')
  const figures = await page.locator('.figure').allInnerTexts()
  expect(figures.map((text) => text.replaceAll(/\s+/g, ' '))).toEqual(
    expect.arrayContaining([
      'settled 6,120 1,530,000.00 XTS',
      'rejected 31 7,750.00 XTS',
      'unknown 2 500.00 XTS',
      'to go 385',
    ]),
  )
  expect(await settlers(page).getAttribute('aria-label')).toContain('4,990 agents')
  expect(await page.locator('.coverage').innerText()).toContain('4,991 of 5,000 reporting')
  const legend = await page.locator('.legend button').allInnerTexts()
  expect(legend.map((text) => text.trim().replaceAll(/\s+/g, ' '))).toEqual(
    expect.arrayContaining(['quarantined 1', 'unknown 9', 'suspect 100', 'backoff 60']),
  )
  expect(await page.locator('.inbox').innerText()).toContain('PAY-004711')
  expect(await page.locator('.inbox').innerText()).toContain('settler/0042')
  await expect
    .poll(() => page.locator('.checks').innerText())
    .toMatch(/Ledger balanced over 12,684 transfers[^]*Audit 500 entries chained/)
  await page.getByText('Not built yet').click()
  expect(await page.locator('.not-built li').allInnerTexts()).toContain('PostgreSQL')
  expect(await page.locator('.happened li').count()).toBe(40)
  expect(strange).toEqual([])
})

test('the printed address leads to the page with one click', async () => {
  const page = await (await theBrowser()).newPage()
  await page.goto(scene.house.door.loginUrl)
  await page.waitForURL(`${scene.house.door.url}/`)
  await ready(page)
  await page.close()
})

test('each agent is painted in the colour of its state, once, and the legend singles one state out', async () => {
  using _ = crowd(scene.house)
  const page = await scene.open()
  await ready(page)
  const colourOf = (index: number): Promise<string> =>
    page.evaluate<string>(`(() => {
    const maps = [...document.querySelectorAll('canvas[role=application]')]
    const canvas = maps.find((one) => one.ariaLabel.includes('settler'))
    const pitch = 10, columns = Math.floor(canvas.clientWidth / pitch)
    const at = [(${index} % columns) * pitch + 4, Math.floor(${index} / columns) * pitch + 1]
    return [...canvas.getContext('2d').getImageData(at[0], at[1], 1, 1).data].join()
  })()`)
  const busy = scene.house.script.agents.findIndex((agent) => agent.state === 'busy')
  const idle = scene.house.script.agents.findIndex((agent) => agent.state === 'idle')
  await expect.poll(() => colourOf(busy)).toBe('31,111,178,255')
  expect(await colourOf(idle)).toBe('169,188,203,255')
  expect(await colourOf(41)).toBe('194,65,12,255')
  await page.evaluate(`window.painted = 0
    const { clearRect } = CanvasRenderingContext2D.prototype
    CanvasRenderingContext2D.prototype.clearRect = function (...box) { window.painted += 1; clearRect.apply(this, box) }`)
  // When the third is there, the first two were worked in.
  for (let answer = 0; answer < 3; answer += 1) await page.waitForResponse('**/api/v1/agents/map')
  expect(await page.evaluate('window.painted')).toBe(0)
  await page
    .getByRole('button', { name: /quarantined/ })
    .first()
    .click()
  await expect.poll(() => colourOf(busy)).not.toBe('31,111,178,255')
  expect(await page.evaluate('window.painted')).toBeGreaterThan(0)
  expect(await colourOf(41)).toBe('194,65,12,255')
})

test('an agent is found, walked to and described without a mouse, and focus comes back', async () => {
  const page = await scene.open()
  await ready(page)
  await settlers(page).focus()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowRight')
  await expect.poll(() => page.locator('.spoken[aria-live]').last().textContent()).toContain('settler/0003')
  await page.keyboard.press('Enter')
  const panel = page.getByRole('complementary', { name: 'settler/0003' })
  await panel.getByText('progresses').waitFor()
  expect(await panel.innerText()).toMatch(/progresses\s+\?\s+unknown\s+frames\s+never seen/)
  await page.keyboard.press('Escape')
  await panel.waitFor({ state: 'detached' })
  expect(await page.evaluate<string>('document.activeElement.ariaLabel')).toContain('settler')
  await page.getByLabel('Find an agent').fill('settler/42')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary', { name: 'settler/0042' }).getByText('six restarts in ten minutes').waitFor()
  await page.getByRole('button', { name: 'Close' }).click()
  await page.getByLabel('Find an agent').fill('settler/999999')
  await page.keyboard.press('Enter')
  await page.getByText('there is no agent settler/999999').waitFor()
})

test('a change of state and a new event come within seconds, and markup in them stays text', async () => {
  const page = await scene.open()
  await ready(page)
  const { agents } = scene.house.script
  const evil = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
  const index = agents.findIndex((agent) => agent.id === 'settler/0100')
  const before = agents[index]!
  agents[index] = { ...agentOf('settler', asAgent('settler/0100').number, 'quarantined'), reason: evil }
  await addEvents(scene.house.store, 1, evil)
  await page.locator('.legend').getByText('quarantined 2').waitFor()
  await page.locator('.happened').getByText(evil).waitFor()
  await page.getByLabel('Find an agent').fill('settler/100')
  await page.keyboard.press('Enter')
  await page.getByRole('complementary').getByText(evil).waitFor()
  expect(await page.evaluate('window.pwned')).toBeUndefined()
  agents[index] = before
})

test('while nobody looks nothing is asked', async () => {
  const page = await scene.open('', { clock: true })
  await ready(page)
  await page.evaluate(`Object.defineProperty(document, 'hidden', { get: () => window.away ?? false })
    window.away = true; document.dispatchEvent(new Event('visibilitychange'))`)
  // What was asked just before may have questions of its own.
  await page.clock.runFor(1_000)
  await page.waitForLoadState('networkidle')
  let asked = 0
  page.on('request', () => {
    asked += 1
  })
  await page.clock.runFor(3_000)
  expect(asked).toBe(0)
  await page.evaluate(`window.away = false; document.dispatchEvent(new Event('visibilitychange'))`)
  await expect.poll(() => asked).toBeGreaterThan(2)
})

test('a session that ends takes the figures with it and says how to come back', async () => {
  const page = await scene.open('', { clock: true })
  await ready(page)
  await page.context().clearCookies()
  await page.clock.runFor(1_000)
  await page.getByText('This session has ended').waitFor()
  expect(await page.locator('.figure').count()).toBe(0)
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('Operator token').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('not this swarm’s token').waitFor()
  await page.getByLabel('Operator token').fill('test-token-0123456789abcdef')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await ready(page)
})

test('a swarm without agents, tasks or events says so instead of showing zeros as health', async () => {
  const { script } = scene.house
  const agents = script.agents
  const page = await scene.open()
  script.agents = []
  await page.getByText('No agent is configured or started yet.').waitFor()
  expect(await page.locator('.coverage').innerText()).toBe('')
  script.agents = agents
})

test('when the sitter is gone the figures are called old, with their age; later they are live again', async () => {
  const page = await scene.open('', { clock: true })
  await ready(page)
  await scene.house.door.stop()
  await page.clock.runFor(5_000)
  await page.getByText(/These figures are \d+\ss old: the sitter cannot be reached/).waitFor()
  expect(await page.locator('main.old').count()).toBe(1)
  expect(await page.title()).toBe('stale · payouts')
  await scene.house.reopen()
  await page.clock.runFor(1_000)
  await page.locator('main:not(.old)').waitFor()
  expect(await page.getByRole('status').first().textContent()).toBe('live')
  await addEvents(scene.house.store, 1, 'after the restart')
  await page.locator('.happened').getByText('after the restart').waitFor()
})

/** The whole page, as it goes over the wire compressed. */
const mostBytes = 64 * 1_024

test('the page stays small', async () => {
  const assets = join(inject('pageDirectory'), 'assets')
  const sizes = (await readdir(assets)).map(async (file) => gzipSync(await readFile(join(assets, file))).length)
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  expect(bytes).toBeGreaterThan(20_000)
  expect(bytes).toBeLessThan(mostBytes)
})
