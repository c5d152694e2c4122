/** `up --fresh` never throws a record away that lies in a database. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

test('up --fresh is refused when the record is in PostgreSQL, and its password is not told', async () => {
  const place = mkdtempSync(join(tmpdir(), 'sitter-fresh-'))
  const config = join(place, 'swarm.config.json')
  const store = 'postgres://sitter:canary-secret@127.0.0.1:1/record'
  writeFileSync(config, JSON.stringify({ name: 'test', store, agents: { a: { run: { module: './a.ts' }, count: 0 } } }))
  writeFileSync(join(place, 'a.ts'), '')
  const child = spawn(
    process.execPath,
    ['--conditions=source', 'src/main.ts', 'up', config, '--fresh', '--yes', '--data-dir', join(place, 'data')],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let told = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      told += bytes.toString()
    })
  const [code] = (await once(child, 'close')) as [number]
  expect([code, told]).toEqual([5, expect.stringContaining('fresh-refused')])
  expect(told).not.toContain('canary')
})
