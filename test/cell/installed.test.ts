/** What a pool host sees of what is installed: the same as the trial of its module (src/config/trials.ts). */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { installedAbove } from '../../src/cell/sandbox/view.ts'

test('What is installed above a module is seen, also where there is no package.json', () => {
  const root = mkdtempSync(join(tmpdir(), 'installed-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'node_modules'))
  mkdirSync(join(root, 'agents'))
  expect(installedAbove(join(root, 'agents', 'payer.ts'))).toContain(join(root, 'node_modules'))
  expect(installedAbove(join(root, 'payer.ts'))).not.toContain(join(root, 'agents', 'node_modules'))
})
