/** An agent at whose work the sitter dies: it leaves a mark, and whoever sees the mark kills the sitter. */
import { writeFileSync } from 'node:fs'
import { defineAgent } from 'swarmsitter/agent'

export default defineAgent({
  tasks: {
    bite: async (_ctx, { mark }: { readonly mark: string }) => {
      writeFileSync(mark, 'bitten')
      await new Promise((resolve) => {
        setTimeout(resolve, 60_000)
      })
    },
  },
})
