/** The log on the page: what an agent said, followed or held, filtered by an address, and never more than text. */
import { appendFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openScene, type Scene } from './browser.ts'
import { allHostile, strangeIn } from './hostile.ts'

let scene: Scene
beforeAll(async () => {
  scene = await openScene({ settlers: 60, tasks: 1 })
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

const say = async (lines: readonly Readonly<Record<string, unknown>>[]): Promise<void> => {
  const texts = lines.map((line) => JSON.stringify({ level: 30, time: Date.now(), room: 'agent', msg: '', ...line }))
  await appendFile(scene.house.logPath, `${texts.join('\n')}\n`)
}

test('an agent’s last lines stand on its page with level and time, and new ones follow at the end', async () => {
  await say([
    { agent: 'settler/0007', level: 50, msg: 'no payee', at: 'row 4' },
    { agent: 'settler/0008', msg: 'somebody else' },
  ])
  const page = await scene.open('agents/settler/0007', { clock: true })
  const log = page.getByRole('list', { name: 'Log lines, newest last' })
  await log.waitFor()
  expect(await log.locator('li').allInnerTexts()).toEqual([
    expect.stringMatching(/\d\d:\d\d:\d\d\s+■ error\s+no payee/),
  ])
  expect(await log.locator('.more').innerText()).toBe('{"at":"row 4"}')
  await say([{ agent: 'settler/0007', level: 40, msg: 'two\nlines', cell: 'cel_0' }])
  await page.clock.runFor(2_000)
  await log.getByText('two lines').waitFor()
  expect(await log.locator('.message').last().innerText()).toBe('two\nlines')
})

test('held, the lines stay as they are and say how many have come since; the end is in sight again on following', async () => {
  await say(Array.from({ length: 300 }, (_, index) => ({ agent: 'settler/0009', msg: `line ${index}` })))
  const page = await scene.open('agents/settler/0009', { clock: true })
  const log = page.getByRole('list', { name: 'Log lines, newest last' })
  await log.getByText('line 299', { exact: true }).waitFor()
  expect(await log.locator('li').count()).toBe(200)
  const fromEnd = (): Promise<number> =>
    log.evaluate((list) => Math.round(list.scrollHeight - list.scrollTop - list.clientHeight))
  expect(await fromEnd()).toBeLessThan(2)
  await page.getByLabel('follow').uncheck()
  await say([{ agent: 'settler/0009', msg: 'after' }])
  await page.clock.runFor(2_000)
  await page.getByText('1 newer held back').waitFor()
  expect(await log.getByText('after', { exact: true }).count()).toBe(0)
  await page.getByLabel('follow').check()
  await log.getByText('after', { exact: true }).waitFor()
  await expect.poll(fromEnd).toBeLessThan(2)
})

test('level and text are filters in the address, and the log of all says who spoke', async () => {
  await say([
    { room: 'gate', level: 50, msg: 'the provider is away' },
    { room: 'gate', level: 30, msg: 'the provider is back' },
    { agent: 'settler/0011', level: 60, msg: 'the provider?' },
  ])
  const page = await scene.open('log?grep=provider&level=error')
  const log = page.getByRole('list', { name: 'Log lines, newest last' })
  await log.waitFor()
  expect((await log.locator('li').allInnerTexts()).map((text) => text.replace(/^\S+\s+/, ''))).toEqual([
    expect.stringMatching(/■ error\s+gate\s+the provider is away/),
    expect.stringMatching(/■ fatal\s+settler\/0011\s+the provider\?/),
  ])
  await page.getByRole('combobox', { name: 'Level from' }).selectOption('')
  await log.getByText('the provider is back').waitFor()
  await page.getByLabel('Who').fill('settler/0011')
  await expect.poll(() => log.locator('li').count()).toBe(1)
  expect(page.url()).toContain('#/log?grep=provider&id=settler%2F0011')
})

test('what an agent says into its log is text, whatever it tries', async () => {
  await say([{ agent: 'settler/0012', msg: allHostile, level: 50, payload: allHostile }])
  const page = await scene.open('agents/settler/0012')
  await page.getByText('paid to ⟨U+202E⟩adA⟨U+202C⟩', { exact: false }).first().waitFor()
  expect(await strangeIn(page)).toEqual([])
  await page.goto(`${scene.house.door.url}/#/log`)
  await page.getByText('paid to ⟨U+202E⟩adA⟨U+202C⟩', { exact: false }).first().waitFor()
  expect(await strangeIn(page)).toEqual([])
})
