/** Changes the key of a vault again and again, to a file and to an age identity, until somebody kills it. */
import { openAt } from './opening.ts'

const { vault } = await openAt(process.argv[2]!)
console.log('open')
for (;;) {
  for (const kind of ['file', 'age', 'age', 'file'] as const) {
    await vault.rekey(kind)
    console.log(kind)
  }
}
