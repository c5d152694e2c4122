import { expect, test } from 'vitest'
import { killBetweenAccounts } from './accounts-kills.ts'

test('kills of the gate, lost answers and revoked keys: no key is done at two accounts', async () => {
  expect(await killBetweenAccounts(2, 20_261_129)).toEqual([])
}, 90_000)
