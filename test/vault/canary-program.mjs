// An unmodified program that keeps and prints all that its upstream says; told to stay, it goes on with it in memory.
import { readFileSync } from 'node:fs'

const { urls, stay } = JSON.parse(readFileSync(0, 'utf8'))
const kept = [JSON.stringify([process.env, process.argv])]
for (const url of urls) {
  const answer = await fetch(url, { headers: { authorization: `Bearer ${process.env.BANK_KEY}` } })
  kept.push(`${answer.status} ${JSON.stringify([...answer.headers])} ${await answer.text()}`)
}
for (const text of kept) console.error(text)
if (stay) {
  console.error('it stays with all that it was told')
  setInterval(() => kept.length, 1_000)
} else console.log(JSON.stringify(kept.slice(1)))
