/** Agents that work a moment; the one that its configuration names ends its host instead, at a random moment and in a random way. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineAgent } from 'swarmsitter/agent'

const ways: readonly (() => unknown)[] = [
  () => (process as unknown as { reallyExit(code: number): void }).reallyExit(3),
  () => Object.defineProperty(JSON, 'stringify', { value: () => 'nonsense' }),
  () => {
    for (;;) {
      /* nobody else gets the loop any more */
    }
  },
]

export default defineAgent({
  tasks: {
    work: async ({ agent, config }) => {
      if (agent !== config['killer']) return wait(200)
      await wait(Math.random() * 400)
      if (Math.random() < 0.7) ways[Math.floor(Math.random() * ways.length)]!()
      await wait(200)
    },
  },
})
