/** Incidents and silences over HTTP: the real record and the real alerts, with conditions that the test sets. */
import { expect, test } from 'vitest'
import { openHouse } from './house.ts'

const gate = {
  key: 'gate',
  severity: 'critical' as const,
  title: 'there is no link to the gate',
  facts: { since: 'boot' },
  proposed: 'sitter logs gate',
}
const json = async (answer: Response): Promise<Record<string, unknown>> =>
  (await answer.json()) as Record<string, unknown>

test('what is wrong is listed, seen by somebody, silenced, and told whole; what still holds is not called over', async () => {
  await using house = await openHouse()
  expect(await json(await house.call('/api/v1/alerts'))).toEqual({ items: [], next: null })
  house.script.conditions.push(gate)
  const alerts = async (): Promise<readonly Record<string, unknown>[]> =>
    (await json(await house.call('/api/v1/alerts')))['items'] as Record<string, unknown>[]
  await expect.poll(async () => (await alerts()).length, { timeout: 10_000 }).toBe(1)
  const [open] = await alerts()
  expect(open).toMatchObject({ ...gate, ackedBy: null, resolvedMs: null, silencedUntilMs: null })
  const path = `/api/v1/incidents/${open!['id'] as string}`
  expect(await json(await house.post('/api/v1/incidents/gate/ack', {}))).toEqual({ acked: 'gate' })
  expect((await house.post(`${path}/ack`, {})).status).toBe(409)
  expect((await house.post(`${path}/resolve`, {})).status).toBe(409)
  expect((await house.post('/api/v1/incidents/inc_9/ack', {})).status).toBe(404)
  expect((await house.call('/api/v1/incidents/inc_9')).status).toBe(404)
  expect(await json(await house.call(path))).toMatchObject({
    ...gate,
    ackedBy: 'token:operator',
    notices: [],
    timeLine: [{ kind: 'incident.opened', level: 'error', message: gate.title }],
  })
  expect((await house.post('/api/v1/alerts/silence', { prefix: 'ga', for: '99999d' })).status).toBe(422)
  expect(await json(await house.post('/api/v1/alerts/silence', { prefix: 'ga', for: '2h' }))).toMatchObject({
    prefix: 'ga',
    by: 'token:operator',
  })
  expect((await alerts())[0]!['silencedUntilMs']).toBeGreaterThan(Date.now() + 7_000_000)
  expect(await json(await house.call('/api/v1/alerts/silences'))).toMatchObject({ items: [{ prefix: 'ga' }] })
  expect(await json(await house.post('/api/v1/alerts/unsilence', { prefix: 'ga' }))).toEqual({ unsilenced: 'ga' })
  expect((await house.post('/api/v1/alerts/unsilence', { prefix: 'ga' })).status).toBe(404)
  house.script.conditions.pop()
  await expect
    .poll(async () => (await house.post('/api/v1/incidents/gate/resolve', {})).status, {
      timeout: 10_000,
      interval: 500,
    })
    .toBe(200)
  expect(await alerts()).toEqual([])
  expect(await json(await house.call('/api/v1/incidents?open=true'))).toEqual({ items: [], next: null })
  expect(await json(await house.call('/api/v1/incidents'))).toMatchObject({
    items: [{ id: open!['id'], resolvedBy: 'token:operator' }],
  })
})
