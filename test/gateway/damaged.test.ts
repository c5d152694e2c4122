import { readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { newPlace, rulesFor, setSecret, startGate, startSitter, type Place } from './harness.ts'

const places: Place[] = []
afterEach(() => {
  for (const place of places.splice(0)) place.remove()
})

test('a gate.db that the disk has damaged is refused as that, nothing is left beside it, and a whole one opens again', async () => {
  const place = newPlace()
  places.push(place)
  const rules = rulesFor({ host: '127.0.0.1:9' })
  const first = await startGate(place, rules)
  const sitter = startSitter(place)
  await sitter.linked()
  await setSecret(sitter)
  await sitter.link.stop()
  await first.gate.stop()
  const path = join(place.data, 'gate', 'gate.db')
  const whole = readFileSync(path)
  const names = (): string[] => readdirSync(join(place.data, 'gate')).filter((name) => name.startsWith('gate.db'))
  for (const damage of [
    () => truncateSync(path, 4_096 * 3),
    () => writeFileSync(path, Buffer.concat([Buffer.from('no'), whole.subarray(2)])),
  ]) {
    damage()
    const before = readFileSync(path)
    await expect(startGate(place, rules)).rejects.toMatchObject({ code: 'vault-damaged' })
    expect(readFileSync(path).equals(before)).toBe(true)
    expect(names()).toEqual(['gate.db'])
    writeFileSync(path, whole)
  }
  const again = await startGate(place, rules)
  await again.gate.stop()
})
