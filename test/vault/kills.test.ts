import { expect, test } from 'vitest'
import { killRotations } from './kills.ts'

test('a gate that is killed in its rotations finds one version that serves, and leaves no key behind', async () => {
  expect(await killRotations(2, 7)).toEqual([])
})
