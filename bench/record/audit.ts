/** Audit entries appended 100 at a time, 10 callers at once, durable before they are answered; then the whole chain. */
import { verifyAudit } from '../../src/record/record.ts'
import { answer, readAsk } from '../programs.ts'
import { openStore } from '../rooms.ts'

const { directory, options } = readAsk()
const count = Number(options['count'])
const { store } = await openStore(directory)
const entry = {
  actor: 'operator:bench',
  action: 'settlement.opened',
  object: 'set_00000000-0000-7000-8000-000000000000',
  decision: 'done',
  facts: { amount: '12.34', currency: 'XTS', reference: 'R-0001' },
} as const
const entries = Array.from({ length: 100 }, () => entry)
let left = count
const append = async (): Promise<void> => {
  while (left > 0) {
    left -= entries.length
    await store.transact([{ kind: 'audit.append', with: { entries, wallMs: Date.now() } }])
  }
}
const startMs = performance.now()
await Promise.all(Array.from({ length: 10 }, append))
const appendMs = performance.now() - startMs
const verifyStartMs = performance.now()
const verdict = await verifyAudit(store.read)
const verifyMs = performance.now() - verifyStartMs
await store.close()
if (!verdict.ok || verdict.entries !== count) throw new Error(`the chain holds ${verdict.entries} of ${count} entries`)
answer({ 'append/s': (count / appendMs) * 1_000, 'verify/s': (count / verifyMs) * 1_000 }, { entries: count })
