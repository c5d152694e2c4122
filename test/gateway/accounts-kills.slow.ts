import { expect, test } from 'vitest'
import { killBetweenAccounts } from './accounts-kills.ts'

test('24 kills of the gate between two accounts: no key is done at both', async () => {
  expect(await killBetweenAccounts(24, 38)).toEqual([])
}, 900_000)
