/** Where the snapshots of agents lie that live nowhere. */
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBeds } from '../../src/cell/cell.ts'
import { seats } from './harness.ts'

const [first, second] = seats(2).map(({ agent }) => agent) as [string, string]

describe('the beds of agents that live nowhere', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'beds-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))
  const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(1)

  it('are bounded together', async () => {
    const beds = await openBeds({ directory, mostBytes: 250 })
    await beds.put({ agent: first, snapshot: bytes(200) })
    await expect(beds.put({ agent: second, snapshot: bytes(51) })).rejects.toMatchObject({ code: 'disk-full' })
    await beds.put({ agent: first, snapshot: bytes(250) })
    expect(beds.bytes).toBe(250)
  })

  it('go with their agents', async () => {
    const beds = await openBeds({ directory, mostBytes: 1_000 })
    for (const agent of [first, second]) await beds.put({ agent, snapshot: bytes(10) })
    await beds.remove(first)
    await expect(beds.get(first, '')).rejects.toThrow('not there')
    expect(await beds.keep(new Set([first]))).toBe(1)
    expect(await readdir(directory)).toEqual([])
  })

  it('are found again by the next sitter, without what was half written', async () => {
    const beds = await openBeds({ directory, mostBytes: 1_000 })
    const hash = await beds.put({ agent: first, snapshot: bytes(10) })
    await writeFile(join(directory, 'villain.0002.asleep.new'), 'half')
    const again = await openBeds({ directory, mostBytes: 1_000 })
    expect([await again.get(first, hash), again.bytes]).toEqual([Buffer.from(bytes(10)), 10])
    expect(await readdir(directory)).toEqual(['villain.0001.asleep'])
    await truncate(join(directory, 'villain.0001.asleep'), 3)
    await expect(again.get(first, hash)).rejects.toThrow('damaged')
    await again.put({ agent: first, snapshot: bytes(20) })
    await expect(again.get(first, hash)).rejects.toThrow('of another sleep')
  })

  it('have no place for what is no agent', async () => {
    const beds = await openBeds({ directory, mostBytes: 1_000 })
    await expect(beds.put({ agent: '../../etc/passwd', snapshot: bytes(1) })).rejects.toMatchObject({ code: 'invalid' })
  })
})
