/** Text from outside, wherever the page shows it: text it stays. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SettlementDescription, TaskDescription } from '../../../src/doors/api.ts'
import { addEvents, addSettlement, agentOf, asAgent } from '../http/house.ts'
import { answering, killTasks, openScene, type Scene } from './browser.ts'
import { allHostile, hostile, strangeIn } from './hostile.ts'

let scene: Scene
let dead: string[]
beforeAll(async () => {
  scene = await openScene({ settlers: 120, tasks: 20 })
  dead = await killTasks(scene.house, 1)
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

test('hostile texts stay texts on every page, and what is invisible is shown', async () => {
  const { house } = scene
  const { agents } = house.script
  const index = agents.findIndex((agent) => agent.id === 'settler/0100')
  agents[index] = { ...agentOf('settler', asAgent('settler/0100').number, 'quarantined'), reason: allHostile }
  await addEvents(house.store, 1, allHostile)
  const evil = await addSettlement(house.store, `PAY ${allHostile}`, true)
  const page = await scene.open('')
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
    await page.evaluate('for (const fold of document.querySelectorAll("details")) fold.open = true')
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
})
