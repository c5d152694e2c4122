/**
 * The head of the vault in gate.db: how often sealed rows, and those of renewals, were changed, and a text of the
 * vault's by which the rows as they are can be told from others. Triggers count, so that no statement is forgotten; the
 * text is written in the same commit as the change.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { SecretRow } from './rows.ts'
import type { Turn } from './turn.ts'

export interface Resealed {
  readonly secrets: readonly Pick<SecretRow, 'name' | 'version' | 'sealed' | 'fingerprint'>[]
  readonly meta: Readonly<Record<string, string>>
}
export interface VaultHead {
  head(): { readonly changes: number; readonly text: string }
  /**
   * From now on each commit that changes sealed rows writes what this makes of them; when it throws, all is undone. The
   * head that is durable is told to `durable`, before anybody learns of the commit.
   */
  sealHeadWith(seal: (changes: number) => string, durable: (head: ReturnType<VaultHead['head']>) => void): void
  /** Seals the head again in a commit of its own, as if something had changed. */
  touchHead(): Promise<void>
  /** Seals rows anew, after all else in its commit; resolves or rejects before whatever else was written with it. */
  reseal(make: () => Resealed): Promise<void>
}

export const headOf = (db: DatabaseSync, turn: Turn): VaultHead => {
  const get = db.prepare('SELECT changes, head AS text FROM vault_head')
  const count = db.prepare('SELECT changes, sealed FROM vault_head')
  const put = db.prepare('UPDATE vault_head SET head = ?, sealed = changes')
  const touch = db.prepare('UPDATE vault_head SET changes = changes + 1')
  const seal = db.prepare('UPDATE secrets SET sealed = ?, fingerprint = ? WHERE name = ? AND version = ?')
  const putMeta = db.prepare(
    'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  )
  return {
    head: () => get.get() as { changes: number; text: string },
    sealHeadWith: (make, durable) => {
      let made: { changes: number; text: string } | undefined
      // One look of 2 µs in each commit.
      turn.beforeCommit(() => {
        made = undefined
        const { changes, sealed } = count.get() as { changes: number; sealed: number }
        if (changes === sealed) return
        made = { changes, text: make(changes) }
        put.run(made.text)
      })
      turn.afterCommit(() => {
        if (made !== undefined) durable(made)
      })
    },
    touchHead: () =>
      turn.write(() => {
        touch.run()
      }),
    reseal: (make) =>
      turn.writeLast(() => {
        const { secrets, meta } = make()
        for (const one of secrets) seal.run(one.sealed, one.fingerprint, one.name, one.version)
        for (const [name, value] of Object.entries(meta)) putMeta.run(name, value)
        touch.run()
      }),
  }
}
