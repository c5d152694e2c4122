/** Where a cell's sockets lie, for data directories of every length: in one folder, which is what walls open to it. */
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import type { Live } from '../../src/fleet/live.ts'
import { newPlace } from '../../src/fleet/place.ts'
import type { AgentType } from '../../src/model/model.ts'

const cellId = 'cel_00000000-0000-7000-8000-000000000000'
const liveAt = (cells: string): Live =>
  ({ options: { newId: () => cellId, directories: { cells, sockets: '/run/s' } } }) as unknown as Live

test('Both sockets of a cell lie in one folder, within what a Unix socket takes, however long the way to its data is', () => {
  const folders = Array.from({ length: 150 }, (_, length) => {
    const cells = `/${'x'.repeat(length)}/cells`
    const { sitterSocket, gateSocket } = newPlace(liveAt(cells), {} as AgentType)
    expect(dirname(sitterSocket), cells).toBe(dirname(gateSocket))
    expect(sitterSocket.length).toBeLessThanOrEqual(100)
    return dirname(sitterSocket)
  })
  expect(folders[40]).toBe(`/${'x'.repeat(40)}/cells/${cellId}`)
  expect(folders.at(-1)).toBe(`/run/s/${cellId}`)
})
