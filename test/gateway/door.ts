/** A gate with one open door over any upstream, and raw bytes to that door. */
import { connect } from 'node:net'
import { join } from 'node:path'
import { untilOpen } from '../vault/rotation/world.ts'
import { openWorld, type Shortened, type UpstreamRules } from './harness.ts'
import type { Listener } from './listeners.ts'
import type { TestUpstream } from './upstream.ts'

/** The raw listener as the upstream of a whole world. */
export const asUpstream = (listener: Listener): TestUpstream => ({
  port: listener.port,
  host: `${listener.address}:${listener.port}`,
  seen: [],
  answer: () => {},
  reached: () => Promise.resolve(),
  close: listener.close,
})

export const openDoorTo = async (
  upstream: TestUpstream,
  more: Partial<UpstreamRules> = {},
  agents: readonly string[] = ['payer/0001'],
  shortened: Shortened = {},
) => {
  const opened = await openWorld(upstream, more, shortened)
  const door = join(opened.place.directory, 'cell.sock')
  opened.sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents, upstreams: ['bank'] })
  await untilOpen(door)
  return { ...opened, upstream, door }
}

/**
 * What the door answers to raw bytes until the connection is closed. Unless the bytes ask for that themselves, this side
 * says after the first of the answer that it has no more to ask.
 */
export const rawTo = (door: string, bytes: string | Buffer): Promise<string> =>
  new Promise((resolve) => {
    const text = bytes.toString('latin1')
    const socket = connect(door, () => {
      socket.write(text, 'latin1')
    })
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      answer += chunk
      if (!/connection: close/i.test(text)) socket.end()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', () => {
      /* what came before it is what counts */
    })
  })

export const statusesOf = (answer: string): readonly number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))
