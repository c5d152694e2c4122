import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { realDisk } from '../../../src/std/real/real.ts'

test('what a killed process left of a write goes with the next write, what a living one has in hand stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'disk-'))
  try {
    const dead = spawnSync(process.execPath, ['--version']).pid
    const left = (name: string): void => writeFileSync(join(folder, name), 'left')
    left(`head.json.${dead}-3.tmp`)
    left(`head.json.${process.ppid}-3.tmp`)
    left(`other.json.${dead}-3.tmp`)
    left(`head.json.${dead}-x.tmp`)
    await realDisk().writeWhole(join(folder, 'head.json'), 'new', 0o600)
    expect(readdirSync(folder).toSorted()).toEqual(
      [
        'head.json',
        `head.json.${process.ppid}-3.tmp`,
        `head.json.${dead}-x.tmp`,
        `other.json.${dead}-3.tmp`,
      ].toSorted(),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
