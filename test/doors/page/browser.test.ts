/**
 * All that is tested in the browser, as one file to vitest, so that one process runs it: loading the code, starting the
 * browser and opening its windows cost seconds of a core, and vitest keeps a process for another file only if
 * that comes next in the queue and is of the same project. One part alone: `vitest run test/doors/page -t orders`.
 */
import { afterAll, describe } from 'vitest'
import { closeBrowser } from './launch.ts'

const parts = {
  overview: () => import('./overview.page.ts'),
  pages: () => import('./pages.page.ts'),
  orders: () => import('./orders.page.ts'),
  states: () => import('./states.page.ts'),
  log: () => import('./log.page.ts'),
  credentials: () => import('./credentials.page.ts'),
  outside: () => import('./outside.page.ts'),
  // A real swarm last: it comes up sooner once other tests have left its compiled code.
  swarm: () => import('./swarm.page.ts'),
}

afterAll(closeBrowser)

for (const [name, load] of Object.entries(parts))
  describe(name, async () => {
    await load()
  })
