/**
 * Four projects. `unit`: rooms whose tests are pure or bring their own fake world; they share threads. `integration`: everything else
 * (programs, sockets, files), in processes that one file after the other uses: what it holds it gives back, and loading the code for each
 * file anew costs as much as the tests. `alone`: files that measure the memory of their own process have one for themselves. `page`: the
 * page, built once, in a browser. The long tests have a configuration of their own (vitest.slow.config.ts).
 */
import { defineConfig } from 'vitest/config'
import { InOrder } from './test/sequencer.ts'

const pure = [
  'test/house.test.ts',
  'test/{std,model,wire}/*.test.ts',
  'test/doors/page/{arithmetic,judged,texts}.test.ts',
]
const page = ['test/doors/page/browser.test.ts']
const alone = [
  'bounds/garbage',
  'gateway/bombs',
  'gateway/cost/usage',
  'gateway/sockets/sockets',
  'cell/hostile',
  'hostile/input',
].map((name) => `test/${name}.test.ts`)
const never = ['**/node_modules/**', 'test/house/fixtures/**']

/** On a busy machine all of it takes long; no bound of the product is measured by these. */
const patience = { testTimeout: 30_000, hookTimeout: 30_000, expect: { poll: { timeout: 20_000, interval: 20 } } }

/** `import 'swarmsitter'` means the sources of this checkout, in the tests and in what they load. */
const resolve = { conditions: ['source', 'node'] }
const execArgv = ['--conditions=source', '--disable-warning=ExperimentalWarning']

/**
 * More than the machine has cores: most files wait for processes and for time that must pass. A file's CPU time is at
 * most a third (live/live-config) of its time.
 */
const maxWorkers = 5

/** Each file in a process of its own. */
export const isolated = { resolve, ssr: { resolve }, test: { pool: 'forks' as const, execArgv, ...patience } }

export default defineConfig({
  test: {
    globalSetup: 'test/temporary.ts',
    maxWorkers,
    sequence: { sequencer: InOrder },
    projects: [
      {
        resolve,
        ssr: { resolve },
        test: { name: 'unit', include: pure, exclude: never, pool: 'threads', isolate: false, execArgv, ...patience },
      },
      {
        ...isolated,
        test: {
          ...isolated.test,
          name: 'integration',
          include: ['test/**/*.test.ts'],
          exclude: [...never, ...pure, ...page, ...alone],
          isolate: false,
        },
      },
      { ...isolated, test: { ...isolated.test, name: 'alone', include: alone, exclude: never } },
      {
        ...isolated,
        test: {
          ...isolated.test,
          name: 'page',
          include: page,
          exclude: never,
          globalSetup: 'test/doors/page/setup.ts',
          // Each look goes through four processes; the page itself asks once a second.
          expect: { poll: { ...patience.expect.poll, interval: 100 } },
        },
      },
    ],
  },
})
