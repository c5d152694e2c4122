/** `restart --rolling` as a person runs it, against a server that answers canned documents. */
import { expect, test } from 'vitest'
import { agent, swarm } from './documents.ts'
import { world } from './world.ts'

const asked = { asked: 'restart', agents: ['settler/0001'] }
const withRolling = (held: string | null): object => ({
  ...swarm(),
  fleet: {
    ...swarm().fleet,
    rolling: [{ type: 'settler', why: 'x', surge: null, sinceMs: 1, total: 20, done: 5, underWay: 2, held }],
  },
})

test('It sends the surge, and with --wait it ends with 0 when it is through', async () => {
  const { server, sitter } = await world({
    'GET /api/v1/agents': { items: [agent(1)], next: null },
    'POST /api/v1/agents/settler/restart': asked,
    'GET /api/v1/swarm': swarm(),
  })
  const done = await sitter('restart', 'settler', '--rolling', '--surge', '10%', '--wait', '--yes')
  expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('restarted, part after part: 1 agent') })
  expect(server.asked.filter(({ method }) => method === 'POST').map(({ body }) => body)).toEqual([
    '{"rolling":true,"surge":"10%"}',
  ])
  expect(await sitter('restart', 'settler', '--surge', '10%')).toMatchObject({ code: 2 })
  expect(await sitter('restart', 'settler/1', '--rolling')).toMatchObject({ code: 2 })
})

test('One that is held ends the wait with 4 and the way out; status shows it', async () => {
  const { sitter } = await world({
    'GET /api/v1/agents': { items: [agent(1)], next: null },
    'POST /api/v1/agents/settler/restart': asked,
    'GET /api/v1/swarm': withRolling('settler/0003 do not work since they began anew'),
  })
  const held = await sitter('restart', 'settler', '--rolling', '--wait', '--yes')
  expect(held).toMatchObject({ code: 4, stderr: expect.stringContaining('settler is held at 5 of 20 agents') })
  expect(held.stderr).toContain('sitter config rollback')
  expect(held.stdout).toBe('')
  expect((await sitter('status')).stdout).toMatch(/rolling +settler: 5 of 20 have begun anew, 2 under way; HELD: /)
})
