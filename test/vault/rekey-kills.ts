/** Kills a process amid rekeys and looks what it left: one key that opens everything, and nothing half done. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { generateIdentity } from 'age-encryption'
import type { Random } from '../../src/std/std.ts'
import { sealTo } from '../../src/wire/seal.ts'
import { openAt } from './opening.ts'

const secrets = ['bank-a', 'bank-b', 'bank-c', 'bank-d']
/** A rekey takes 10 to 40 ms. */
const longestMs = 120

const killAmid = async (root: string, afterMs: number): Promise<void> => {
  const program = join(import.meta.dirname, 'run-rekey.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  await once(createInterface(child.stdout), 'line')
  setTimeout(() => child.kill('SIGKILL'), afterMs)
  await exit
}

export interface Left {
  /** What was cut off: an intent in vault.json, a new key file beside the old one. */
  readonly intent: boolean
  readonly next: boolean
}

/** @throws when anything was lost; else what each kill had left. */
export const killRekeys = async (count: number, random: Random): Promise<readonly Left[]> => {
  const root = mkdtempSync(join(tmpdir(), 'rekeys-'))
  const beside = join(root, 'config', 'swarmsitter')
  const left: Left[] = []
  try {
    mkdirSync(join(root, 'gate'), { mode: 0o700 })
    mkdirSync(beside, { recursive: true, mode: 0o700 })
    writeFileSync(join(beside, 'testswarm.age'), await generateIdentity(), { mode: 0o600 })
    const first = await openAt(root)
    const { sealingKey } = first.vault.view()
    for (const name of secrets) await first.vault.set(name, sealTo(sealingKey, `secret-of-${name}`), 'ann')
    void first.book.close()
    for (let kill = 0; kill < count; kill += 1) {
      await killAmid(root, random.next() * longestMs)
      const record = readFileSync(join(root, 'gate', 'vault.json'), 'utf8')
      const next = join(beside, 'testswarm.key.next')
      left.push({ intent: record.includes('pending'), next: existsSync(next) })
      const { vault, book } = await openAt(root)
      for (const name of secrets) {
        const chosen = vault.choose({ name, pool: [] })
        if (chosen === undefined || vault.reveal(chosen) !== `secret-of-${name}`) throw new Error(`${name} was lost`)
      }
      const { faults } = vault.view().vault
      void book.close()
      if (faults.length > 0) throw new Error(`rows are taken for tampered: ${JSON.stringify(faults)}`)
      if (readFileSync(join(root, 'gate', 'vault.json'), 'utf8').includes('pending'))
        throw new Error('an intent stayed')
      const isFile = readFileSync(join(root, 'gate', 'vault.json'), 'utf8').includes('"kind":"file"')
      if (isFile && existsSync(next)) throw new Error('a new key file stayed beside the one in use')
    }
    return left
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
