/**
 * The same commands as a process (`src/main.ts`) and inside of this one (inside.ts, by which most tests of verbs run
 * them): the exit code and every byte of both streams are the same, and so is what the server was asked.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { run as inProcess } from './child.ts'
import { agent, batchAnswer, problem } from './documents.ts'
import { run as inside } from './inside.ts'
import type { Asked } from './server.ts'
import { world } from './world.ts'

const routes = {
  'GET /api/v1/agents': { items: [agent(1), agent(2)], next: null },
  'GET /api/v1/inbox': problem(503, 'overloaded', 'too much'),
  'POST /api/v1/batches': batchAnswer(),
  'POST /api/v1/agents/settler/stop': { asked: 'stop', agents: ['settler/0001'], left: [] },
  'POST /api/v1/dead-letters:redrive': { matched: 1, redriven: 1, left: 0, dryRun: false },
}

/** Ports differ between two servers, and times between two runs. */
const plain = ({ method, path, query, headers, body }: Asked): object => ({
  method,
  path,
  query: [...query],
  body,
  type: headers['content-type'],
  token: headers.authorization,
})

const cases: readonly (readonly [args: readonly string[], options?: Parameters<typeof inside>[2]])[] = [
  [['ps']],
  [['ps', '--json']],
  [['inbox', '--json']],
  [['settle', 'payouts.csv', '--channel', 'northbank']],
  [['stop', 'settler']],
  [['stop', 'settler', '--yes'], { env: { NO_COLOR: '1' } }],
  [['task', 'add', 'pay', '--payload', '-'], { stdin: '{"amount":"1.00"}' }],
  [['audit', 'verify', '--record', 'absent.db']],
  [['logs', '--level', 'loud']],
  [['stauts']],
  [['help', 'settle']],
  [['--version']],
  [['status', '--data-dir', 'elsewhere']],
]

test.for(cases)('%s', async ([args, options]) => {
  const seen = await Promise.all(
    [inProcess, inside].map(async (run) => {
      const { server, directory } = await world(routes)
      await writeFile(join(directory, 'payouts.csv'), 'reference,payee,amount,currency\nr,p,1.00,XTS\n')
      const { code, stdout, stderr } = await run(directory, args, options)
      const place = (text: string): string => text.replaceAll(directory, '/home').replaceAll(server.url, 'http://api')
      return { code, stdout: place(stdout), stderr: place(stderr), asked: server.asked.map(plain) }
    }),
  )
  expect(seen[1]).toEqual(seen[0])
  expect(seen[0]!.stdout + seen[0]!.stderr).not.toBe('')
})
