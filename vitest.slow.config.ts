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
    // Half of their time is waiting; with more at once, swarms that work hard would be late by each other.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
