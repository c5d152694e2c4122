/**
 * Writes audit entries until the disk refuses, then says what it was told: `acknowledged N, then CODE`. Run under a
 * file-size limit.
 */
import { openSqliteStore } from '../../src/store/store.ts'

const store = openSqliteStore(process.argv[2]!)
let lost = false
store.onLost(() => {
  lost = true
})
let acknowledged = 0
const facts = { filler: 'x'.repeat(2_000) }
for (;;) {
  const entry = { actor: 'sitter', action: `entry ${acknowledged + 1}`, object: 'x', decision: 'done', facts } as const
  try {
    await store.transact([{ kind: 'audit.append', with: { wallMs: 1, entries: [entry] } }])
    acknowledged += 1
  } catch (error) {
    const after = await store.transact([{ kind: 'audit.append', with: { wallMs: 1, entries: [entry] } }]).then(
      () => 'taken',
      (again: { code?: string }) => again.code,
    )
    const { code, message } = error as { code?: string; message: string }
    console.log(JSON.stringify({ acknowledged, code, message, lost, after }))
    break
  }
}
