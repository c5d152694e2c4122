// A program that rotates: what it makes comes from the secret that it is given, which is nowhere but on its stdin.
import { readFileSync } from 'node:fs'

const { secret } = JSON.parse(readFileSync(0, 'utf8'))
const told = JSON.stringify([process.env, process.argv])
if (typeof secret === 'string' && told.includes(secret.slice(-20))) process.exit(1)
const answers = {
  mint: () => ({ secret: `${secret}-next`, id: 'k2' }),
  list: () => [],
  test: () => ({}),
  revoke: () => ({}),
}
console.log(JSON.stringify(answers[process.env.SITTER_ROTATE]()))
