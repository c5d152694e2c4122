/** Where the record is: which addresses are taken, and that no password of one is ever shown. */
import { expect, test } from 'vitest'
import {
  hidePasswords,
  parseConfig,
  planChange,
  withoutPasswords,
  type PlannedConfig,
} from '../../src/config/config.ts'
import { asFailure, type Failure } from '../../src/std/std.ts'

const agents = { settler: { run: { module: './a.ts' } } }
const swarm = (store: unknown): unknown => ({ name: 'test', store, agents })
const address = 'postgres://sitter:canary-1@db.example:5432/record?sslmode=verify-full'

test('the record is embedded, or in a database that its address names', () => {
  expect(parseConfig({ name: 'test', agents }, '/').store).toBe('embedded')
  expect(parseConfig(swarm(address), '/').store).toBe(address)
})

const refusal = (raw: unknown): Failure => {
  try {
    parseConfig(raw, '/')
  } catch (error) {
    return asFailure(error)
  }
  throw new Error('it was taken')
}

test('an address that names no database, or another kind of record, is refused without its password', () => {
  for (const wrong of [
    'postgres://sitter:canary-1@db.example',
    'mysql://sitter:canary-1@db.example/record',
    'postgres://sitter:canary-1@db.example:99999/record',
    'postgres://sitter:canary/1@db.example/record',
    `mysql://sitter:${'canary-1'.repeat(9)}@db.example/record`,
    'mysql://db.example/record?user=a&password=canary-1',
  ]) {
    const refused = refusal(swarm(wrong))
    expect([refused.code, refused.message], wrong).toEqual([
      'config-invalid',
      expect.stringMatching(/store: .*postgres:\/\//),
    ])
    expect(JSON.stringify(refused.facts) + refused.message, wrong).not.toContain('canary')
  }
})

test('a plan, and whatever shows a configuration, has no password in it', () => {
  const plan = planChange(
    ...([swarm('embedded'), swarm(address)].map((raw) => ({
      raw,
      baseDirectory: '/x',
      config: parseConfig(raw, '/x'),
    })) as [PlannedConfig, PlannedConfig]),
  )
  expect(JSON.stringify(plan)).toContain('postgres://sitter:***@db.example')
  expect(JSON.stringify([plan, withoutPasswords(swarm(address))])).not.toContain('canary')
  expect(hidePasswords('postgres://a:b@c@d/e and nats://f:g@h?password=i&x=1')).toBe(
    'postgres://a:***@d/e and nats://f:***@h?password=***&x=1',
  )
  expect(withoutPasswords({ url: 'http://127.0.0.1:9100/a@b' })).toEqual({ url: 'http://127.0.0.1:9100/a@b' })
})
