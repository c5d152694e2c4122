/**
 * A record under load, for the test of power cuts: hundreds of lists at once, readers and a listener, each line on
 * stdout a thing that somebody was told. `writing.ts FILE QUICKMS`; runs until the record is lost.
 *
 *   ready · answered N (list N) · told N (a listener) · read N (the highest entry that a reader saw)
 */
import { submit, task } from '../conformance/samples.ts'
import { openSqliteStore, type Command } from '../../src/store/store.ts'

const [path, quickMs] = process.argv.slice(2)
const store = openSqliteStore(path!, { quickMs: Number(quickMs) })
const tell = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

let over = false
store.onLost(() => {
  over = true
})
store.onCommit((committed) => {
  for (const { command } of committed) {
    if (command.kind === 'audit.append') tell(`told ${command.with.entries[0]!.action}`)
  }
})

/** List N: a task and an audit entry, whole or not at all. */
const list = (number: number): Command[] => [
  submit([task(String(number), { payload: JSON.stringify('x'.repeat(500)) })]),
  {
    kind: 'audit.append',
    with: {
      wallMs: number,
      entries: [{ actor: 'sitter', action: String(number), object: 'x', decision: 'done', facts: {} }],
    },
  },
]

let last = 0
const write = async (): Promise<void> => {
  while (!over) {
    const number = (last += 1)
    await store.transact(list(number))
    tell(`answered ${number}`)
    // Bunches of different sizes: what is answered together is not always asked together.
    for (let turn = number % 3; turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve))
  }
}
const read = async (): Promise<void> => {
  while (!over) {
    tell(`read ${(await store.read.auditHead()).seq}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

await store.transact([{ kind: 'host.open', with: { owner: 'here', bootId: 'boot', wallMs: 1 } }])
tell('ready')
await Promise.allSettled([...Array.from({ length: 30 }, write), read(), read()])
await store.close().catch(() => undefined)
