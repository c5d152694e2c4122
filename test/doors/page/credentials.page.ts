/** A secret typed into the page: sealed there, so that nothing but the gate's own key opens what was sent. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateKeyPairSync } from 'node:crypto'
import { openSealed } from '../../../src/wire/seal.ts'
import type { ConfigAnswer } from '../../../src/doors/api.ts'
import { answering, expectNoAxeFaults, openScene, type Scene } from './browser.ts'

const pair = generateKeyPairSync('x25519')
const publicText = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(12).toString('base64')

let scene: Scene
beforeAll(async () => {
  scene = await openScene({ settlers: 20, tasks: 10 })
  scene.house.script.sealingKey = publicText
})
afterAll(async () => {
  await scene[Symbol.asyncDispose]()
})

test('a value is sealed to the gate in the page, sent as ciphertext, and gone from the page', async () => {
  const page = await scene.open('')
  await answering<ConfigAnswer>(page, '/api/v1/config/current', (answer) => ({
    ...answer,
    raw: { credentials: { northbank: {} } },
  }))
  await page.goto(`${scene.house.door.url}/#/credentials`)
  const sent: string[] = []
  page.on('request', (request) => sent.push(request.url() + (request.postData() ?? '')))
  await page.getByText('northbank@1').waitFor()
  await expectNoAxeFaults(page, 'credentials')
  await page.getByLabel('Credential', { exact: true }).selectOption({ index: 1 })
  await page.getByLabel(/^New value/).fill('canary-typed-in')
  await page.getByRole('button', { name: 'Seal and set' }).click()
  await page.getByText('It is set').waitFor()
  const told = scene.house.told.filter(({ deed }) => deed === 'vaultSet')
  expect(told).toHaveLength(1)
  const { sealed } = told[0]!.with as { sealed: string }
  expect(openSealed(pair.privateKey, sealed).toString()).toBe('canary-typed-in')
  expect(sent.join('')).not.toContain('canary-typed-in')
  expect(await page.getByLabel(/^New value/).inputValue()).toBe('')
  expect(await page.content()).not.toContain('canary-typed-in')
})
