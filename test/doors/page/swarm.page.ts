/** The page of a real swarm: 20 agents pay 30 rows, one task is nonsense, one agent is restarted by a person. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { SwarmView } from '../../../src/doors/api.ts'
import { prepare, sitter, type Place, type Run } from '../../crash/swarm.ts'
import { leavePages, openPage } from './browser.ts'

const patience = { timeout: 20_000 }

let directory: string
let place: Place
let up: Run
let url: string
let token: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sitter-page-'))
  place = await prepare({ directory, agents: 20, rows: 30, faults: {} })
  up = sitter(place, 'up', place.config, '--settle', place.file)
  const running = join(place.data, 'run', 'api.json')
  await vi.waitFor(() => {
    if (!existsSync(running)) throw new Error(`it is not up: ${up.output().slice(-2_000)}`)
  }, patience)
  url = (JSON.parse(readFileSync(running, 'utf8')) as { url: string }).url
  token = readFileSync(join(place.data, 'run', 'operator.token'), 'utf8').trim()
}, 60_000)
afterAll(async () => {
  await leavePages()
  try {
    process.kill(up.pid, 'SIGTERM')
  } catch {
    // It has ended by itself; what it said stands in the failed test.
  }
  await up.ended
  await rm(directory, { recursive: true, force: true })
}, 60_000)

const openAt = (place: string): Promise<Page> => openPage(url, token, place)

const call = async (path: string, body?: unknown): Promise<unknown> => {
  const answer = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  })
  return await answer.json()
}

test('every payment is on the page, down to its intent, its evidence and its transfers', async () => {
  const { byState } = await vi.waitFor(async () => {
    const view = (await call('/api/v1/swarm')) as SwarmView
    expect(view.settle.byState['settled']?.count).toBe(30)
    return view.settle
  }, patience)
  expect(Object.keys(byState)).toEqual(['settled'])
  const page = await openAt('settlements?state=settled')
  await page.getByText('30 settlements shown').waitFor()
  await page.getByRole('link', { name: 'R-000007' }).click()
  await page.getByRole('heading', { name: 'R-000007' }).waitFor()
  expect(await page.locator('main').innerText()).toMatch(/amount\s+8\.07 XTS/)
  expect(await page.locator('main .attempts').first().innerText()).toContain('1. pay')
  const transfers = await page.getByRole('region', { name: 'Transfers' }).locator('tbody tr').allInnerTexts()
  expect(transfers).toEqual(
    expect.arrayContaining([expect.stringMatching(/pending.*8\.07 XTS/), expect.stringMatching(/post.*8\.07 XTS/)]),
  )
  await page.getByRole('link', { name: 'Audit and ledger' }).click()
  await page.getByText(/Balanced over \d+ transfers/).waitFor()
  await page.getByText(/Audit \d+ entries chained/).waitFor()
}, 60_000)

test('a task that fails is found among the dead letters with its error, and redriven from there', async () => {
  const { id } = (await call('/api/v1/tasks', { type: 'settle', payload: { reference: '<b>none</b>' } })) as {
    id: string
  }
  const page = await openAt('dead-letters')
  const row = page.getByRole('row', { name: id.slice(-8) })
  await row.waitFor()
  await page.getByRole('link', { name: id }).click()
  await page.locator('.attempts').getByText('Try 1').first().waitFor()
  const attempts = await page.locator('.attempts > li').count()
  await page.getByRole('button', { name: 'Redrive …' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Redrive 1 task' }).click()
  await page.getByRole('dialog').getByText('The task is ready').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  await expect.poll(() => page.locator('.attempts > li').count(), patience).toBeGreaterThan(attempts)
  await page.locator('dl').getByText('dead', { exact: false }).first().waitFor()
}, 60_000)

test('an agent that is restarted from the page comes back, and its time line says by whom', async () => {
  const page = await openAt('agents/settler/0003')
  await page.locator('dl').getByText('idle').first().waitFor()
  const epoch = async (): Promise<number> =>
    Number(/\(epoch (\d+)\)/.exec(await page.locator('dl.pairs').innerText())?.[1])
  const before = await epoch()
  await page.getByRole('button', { name: 'Restart …' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Restart 1 agent' }).click()
  await page.getByRole('dialog').getByText('The restart is ordered').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  await expect.poll(epoch, patience).toBeGreaterThan(before)
  await page.locator('dl').getByText('idle').first().waitFor()
  await page.locator('.events').getByText('settler/0003: restart ordered by').waitFor()
}, 60_000)
