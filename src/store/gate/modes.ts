/**
 * Modes inside gate.db, so that a gate that starts again is no milder than the one before; and calls that were recorded
 * instead of sent.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { ModeSetRow, NewShadowed, ShadowedRow } from './rows.ts'
import type { Turn } from './turn.ts'

export interface ModeBook {
  /** Undefined when this gate.db was never told: then nothing is known, which is not the same as nothing set. */
  modes(): readonly ModeSetRow[] | undefined
  saveModes(modes: readonly ModeSetRow[]): Promise<void>
  /** Durable when it resolves. */
  shadow(call: NewShadowed): Promise<void>
  shadowed(after: number, limit: number): readonly ShadowedRow[]
}

/** The oldest make room: this is for looking, and not the proof of anything that happened. */
export const mostShadowed = 100_000

export const modeBookOf = (db: DatabaseSync, turn: Turn): ModeBook => {
  const told = db.prepare("SELECT value FROM meta WHERE name = 'modes-told'")
  const all = db.prepare('SELECT target, mode, reason FROM modes ORDER BY target')
  const clear = db.prepare('DELETE FROM modes')
  const put = db.prepare('INSERT INTO modes (target, mode, reason) VALUES (?, ?, ?)')
  const tell = db.prepare("INSERT INTO meta (name, value) VALUES ('modes-told', 'yes') ON CONFLICT (name) DO NOTHING")
  const add = db.prepare(`INSERT INTO shadowed (at_ms, agent, upstream, method, path, body_bytes, target)
    VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number`)
  const forget = db.prepare('DELETE FROM shadowed WHERE number <= ?')
  const page = db.prepare(`SELECT number, at_ms AS atMs, agent, upstream, method, path, body_bytes AS bodyBytes, target
    FROM shadowed WHERE number > ? ORDER BY number LIMIT ?`)
  return {
    modes: () => (told.get() === undefined ? undefined : (all.all() as unknown as ModeSetRow[])),
    saveModes: (modes) =>
      turn.write(() => {
        clear.run()
        for (const { target, mode, reason } of modes) put.run(target, mode, reason)
        tell.run()
      }),
    shadow: (call) =>
      turn.write(() => {
        const { atMs, agent, upstream, method, path, bodyBytes, target } = call
        const { number } = add.get(atMs, agent, upstream, method, path, bodyBytes, target) as { number: number }
        forget.run(number - mostShadowed)
      }),
    shadowed: (after, limit) => page.all(after, limit) as unknown as ShadowedRow[],
  }
}
