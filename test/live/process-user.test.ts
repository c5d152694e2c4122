/**
 * A program without walls under the real command, where the tests are root: another user than the swarm's, who reaches
 * its gate by a door of its own and not the record; of that door nothing is left.
 */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { userNumbersOf } from '../../src/model/users.ts'
import { Swarm } from './swarm.ts'

const script = `
import json, os, socket, sys
gate = socket.socket(socket.AF_UNIX)
gate.connect(os.environ['SITTER_GATE'])
gate.sendall(b'GET /.gate/nothing HTTP/1.1\\r\\nhost: gate\\r\\nconnection: close\\r\\n\\r\\n')
heard = gate.recv(64).decode().split()[0]
record = json.loads(sys.stdin.readline())['record']
print(json.dumps({'uid': os.getuid(), 'gate': os.environ['SITTER_GATE'], 'heard': heard, 'reads': os.access(record, os.R_OK)}))
`
const isRoot = process.getuid?.() === 0

test('It is another user than the swarm, has a door to its gate, and does not reach the record', async () => {
  const swarm = await Swarm.start({
    name: 'users',
    agents: {
      own: { run: { exec: ['python3', '-c', script] }, cell: 'process' },
      shared: { run: { exec: ['python3', '-c', script] }, cell: { kind: 'process', user: 'swarm' } },
    },
    tasks: { own: { agent: 'own', retry: { max: 1 } }, shared: { agent: 'shared', retry: { max: 1 } } },
    api: { port: 0 },
  })
  let door = ''
  try {
    const told = async (type: string) => {
      const task = await swarm.submit(type, { record: `${swarm.data}/swarm.db` })
      return (await swarm.ended(task)).result as { uid: number; gate: string; heard: string; reads: boolean }
    }
    const [own, shared] = [await told('own'), await told('shared')]
    door = dirname(own.gate)
    expect(shared).toMatchObject({ uid: process.getuid!(), heard: 'HTTP/1.1', reads: true })
    expect(own).toMatchObject({ heard: 'HTTP/1.1', reads: !isRoot })
    const { firstCell, cells } = userNumbersOf(swarm.data)
    if (isRoot) expect(own.uid >= firstCell && own.uid < firstCell + cells).toBe(true)
    expect(existsSync(door)).toBe(true)
    const { housing } = (await swarm.api('agents/own/1')) as { housing: { user?: string } }
    expect(housing.user).toBe(isRoot ? 'own' : undefined)
  } finally {
    expect(await swarm.stop()).toEqual([])
  }
  expect(existsSync(isRoot ? dirname(door) : door)).toBe(false)
})
