/** One question to one program: by HTTP, and by a command without a shell. */
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openProbe } from '../../src/cell/cell.ts'
import { realProc } from '../../src/std/real/real.ts'
import { processes } from '../crash/machine.ts'
import { freePort } from '../port.ts'

const ask = openProbe(realProc())
const usual = { agent: 'notifier/0007', directory: '/', withinMs: 5_000 }

const serve = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/livez`
}

test.each([
  [200, null],
  [204, null],
  [503, / answered 503$/],
  [302, / answered 302$/],
] as const)('An answer of %s passes or says why not', async (status, why) => {
  const http = await serve((_, answer) => answer.writeHead(status, { location: '/elsewhere' }).end('x'))
  const said = await ask({ ...usual, http })
  if (why === null) expect(said).toBeNull()
  else expect(said).toMatch(why)
})

test('Who does not answer in time, or not at all, does not pass', async () => {
  const http = await serve(() => {
    /* never */
  })
  expect(await ask({ ...usual, withinMs: 200, http })).toMatch(/did not answer within 200 ms$/)
  expect(await ask({ ...usual, http: `http://127.0.0.1:${await freePort()}/` })).toMatch(
    /does not answer: ECONNREFUSED$/,
  )
})

test('A command passes with exit code 0, knows whom it asks about, and is no shell', async () => {
  const script = 'test "$SITTER_AGENT" = notifier/0007 && test "$1" = "; exit 1"'
  expect(await ask({ ...usual, command: ['sh', '-c', script, 'sh', '; exit 1'] })).toBeNull()
  expect(await ask({ ...usual, command: ['sh', '-c', 'echo out of ink >&2; exit 3'] })).toBe(
    'sh ended with 3: out of ink',
  )
})

test('A command that does not end is ended in time, with what it started', async () => {
  const mark = `7357.${process.pid}`
  const said = await ask({ ...usual, withinMs: 300, command: ['sh', '-c', `sleep ${mark} & sleep ${mark}`] })
  expect(said).toBe('sh did not end within 300 ms')
  await expect.poll(() => processes().filter(({ command }) => command.includes(mark))).toEqual([])
})
