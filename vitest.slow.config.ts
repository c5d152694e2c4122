/**
 * The long tests (`*.slow.ts`): whole swarms, whose proof takes minutes. They are parts of `npm run test:slow`, which
 * tells their count with its own; `npx vitest run --config vitest.slow.config.ts test/live` runs some of them.
 */
import { defineConfig } from 'vitest/config'
import { isolated } from './vitest.config.ts'

export default defineConfig({
  ...isolated,
  test: {
    ...isolated.test,
    globalSetup: 'test/temporary.ts',
    include: ['test/**/*.slow.ts'],
    // Swarms that work hard on two cores: with more of them at once they would be late by each other.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
