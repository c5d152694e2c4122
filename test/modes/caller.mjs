/** One task of an exec agent: calls its bank by the method that it is given, and says in which mode it was begun. */
import { appendFileSync } from 'node:fs'
import { request } from 'node:http'

appendFileSync(process.argv[2], `${process.env.SITTER_TASK} ${process.env.SITTER_MODE}\n`)
let payload = ''
for await (const chunk of process.stdin) payload += chunk
const { method } = JSON.parse(payload)
const asked = request({ socketPath: process.env.SITTER_GATE, path: '/bank/v1/things', method })
asked.end()
const answer = await new Promise((resolve, reject) => asked.on('response', resolve).on('error', reject))
let text = ''
for await (const chunk of answer) text += chunk
if (answer.statusCode < 300) console.log(JSON.stringify({ status: answer.statusCode }))
else {
  const { code, detail } = JSON.parse(text)
  console.log(JSON.stringify({ error: { code, message: detail } }))
  process.exitCode = 75
}
