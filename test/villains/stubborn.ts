/** Agents whose process does not want to end: it holds every handler that a program can hold. */
import { defineAgent } from 'swarmsitter/agent'

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('exit', () => {
  for (;;);
})

export default defineAgent({
  tasks: {
    loop: () => {
      for (;;);
    },
  },
})
