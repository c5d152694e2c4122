/** Who asks, and what is not for every role: a page or a program need not offer what would be refused. */
import type { SelfAnswer } from '../../api.ts'
import { restrictedPaths } from '../paths.ts'
import { ok, type Route } from '../route.ts'

export const selfRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/tokens/self',
    run: async ({ principal, actor }) => {
      const { name, role } = principal!
      const answer: SelfAnswer = { name, role, actor, restricted: restrictedPaths() }
      return ok(answer)
    },
  },
]
