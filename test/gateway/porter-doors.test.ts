/** Doors that are made by the porter: whoever finds one is answered by the gate, and by nobody else taken in. */
import { mkdirSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { applyConfig, parseConfig } from '../../src/config/config.ts'
import { placesOf } from '../../src/places.ts'
import { openPorter } from '../../src/porter.ts'
import { realDisk } from '../../src/std/real/real.ts'
import { newPlace } from './harness.ts'

/** They are given to the gate one after the other, so the last ones are long on their way. */
const doors = 32

const applied = async (): Promise<readonly string[]> => {
  const place = newPlace()
  onTestFinished(() => place.remove())
  const raw = { name: 'testswarm', agents: {} }
  const file = join(place.directory, 'swarm.config.json')
  const config = parseConfig(raw, place.directory)
  await applyConfig(realDisk(), place.data, { file, raw, baseDirectory: place.directory, config })
  const { cells } = placesOf(place.data, place.directory)
  const paths = Array.from({ length: doors }, (_, at) => join(cells, `cel_${at}`, 'gate.sock'))
  for (const path of paths) mkdirSync(dirname(path), { recursive: true })
  return [place.data, ...paths]
}

/** Knocks until a door is there; what it is told by who is behind it. */
const knock = (socketPath: string): Promise<string> =>
  new Promise((resolve) => {
    const call = request({ socketPath, agent: false, path: '/' }, (answer) => {
      answer.setEncoding('utf8').on('data', resolve)
    })
    call.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'ENOENT' || code === 'ECONNREFUSED') setImmediate(() => resolve(knock(socketPath)))
      else resolve(message)
    })
    call.end()
  })

test('who knocks as soon as there is a door is answered by the gate, however long the door was on its way', async () => {
  const [data, ...paths] = await applied()
  const porter = await openPorter(data!)
  onTestFinished(() => porter.close())
  const server = createServer((_, response) => response.end('the gate'))
  const told = Promise.all(paths.map(knock))
  const shut = await Promise.all(paths.map((path) => porter.openDoor(server, path)))
  // Whom it has let in is told so by its end, and does not wait for ever.
  porter.close()
  expect(await told).toEqual(paths.map(() => 'the gate'))
  expect(shut).toHaveLength(doors)
})
