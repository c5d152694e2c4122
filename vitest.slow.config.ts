/**
 * The long tests (`*.slow.ts`): whole swarms, whose proof takes minutes. They are parts of `npm run test:slow`, which
 * tells their count with its own; `npx vitest run --config vitest.slow.config.ts test/live` runs some of them.
 */
import { defineConfig } from 'vitest/config'
import { isolated, maxWorkers } from './vitest.config.ts'

export default defineConfig({
  ...isolated,
  test: { ...isolated.test, globalSetup: 'test/temporary.ts', maxWorkers, include: ['test/**/*.slow.ts'] },
})
