/** `up --dry-run` by the real command: what it finds wrong, what it says, and that nothing of it is there afterwards. */
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { run } from './child.ts'

const config = (more: object = {}): object => ({
  name: 'dry',
  agents: {
    payer: {
      run: { module: join(import.meta.dirname, '../../modes/payer.ts') },
      count: 3,
      cell: { kind: 'pool', orWeaker: true },
    },
  },
  tasks: { settle: { agent: 'payer' } },
  upstreams: { bank: { url: 'https://bank.example', allow: ['POST /pay'], money: ['POST /pay'] } },
  channels: {
    bank: {
      kind: 'http',
      upstream: 'bank',
      pay: 'POST /pay',
      body: { reference: '{reference}' },
      resolve: 'resend-same-key',
    },
  },
  ...more,
})

const place = (rows: string, more?: object): string => {
  const directory = mkdtempSync(join(tmpdir(), 'sitter-dry-'))
  writeFileSync(join(directory, 'swarm.config.json'), JSON.stringify(config(more)))
  writeFileSync(join(directory, 'p.csv'), `reference,payee,amount,currency\n${rows}`)
  return directory
}

test('says what a start would do, and does nothing of it', async () => {
  const directory = place('a,ann,1.50,EUR\nb,bob,2.00,EUR\n')
  const before = readdirSync(directory)
  const { code, stdout } = await run(directory, ['up', '--settle', 'p.csv', '--dry-run', '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    dryRun: true,
    record: 'begins',
    agents: { payer: 3 },
    file: { rows: 2, totals: { EUR: '3.50' } },
  })
  const told = await run(directory, ['up', '--settle', 'p.csv', '--dry-run'])
  expect(told.stdout).toContain('p.csv: 2 rows worth 3.50 EUR')
  expect(told.stdout).toContain('nothing was done (--dry-run)')
  expect(readdirSync(directory)).toEqual(before)
})

test('refuses what a start would refuse: the file, the configuration, the code, and --fresh where money is real', async () => {
  const directory = place('a,ann,1e3,EUR\na,bob,2.00,EUR\n')
  const file = await run(directory, ['up', '--settle', 'p.csv', '--dry-run'])
  expect([file.code, file.stderr]).toEqual([2, expect.stringMatching(/line 2/)])
  const broken = await run(place('', { nmae: 1 }), ['up', '--dry-run'])
  expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining('nmae')])
  const bad = place('', { agents: { payer: { run: { module: './a.ts' }, count: 3 } } })
  writeFileSync(join(bad, 'a.ts'), 'export default {{\n')
  const code = await run(bad, ['up', '--dry-run'])
  expect([code.code, code.stderr]).toEqual([2, expect.stringContaining('a.ts')])
  const real = place('')
  mkdirSync(join(real, '.sitter'))
  const fresh = await run(real, ['up', '--fresh', '--dry-run'])
  expect([fresh.code, fresh.stderr]).toEqual([5, expect.stringContaining('no rehearsal')])
})
