/** Ours: a client in the sitter's process submits one by one, as the HTTP door does. */
import type { Committed } from '../../src/store/store.ts'
import type { Entry, Open } from '../contestant.ts'
import type { Outcome } from '../figures.ts'
import { openRooms } from '../rooms.ts'

/** Outcomes as they are committed, not as they are reported. */
const tellOutcomes = (committed: readonly Committed[], done: Entry['done']): void => {
  for (const { command, value } of committed) {
    if (command.kind !== 'attempts.finish') continue
    const finished = value as readonly { readonly outcome: string }[]
    for (const [index, finish] of command.with.finishes.entries()) {
      if (finished[index]!.outcome !== 'done' || finish.outcome !== 'succeeded') continue
      done(JSON.parse(finish.result!) as Outcome)
    }
  }
}

export const open: Open = async (entry) => {
  const { cells = 10, perCell = 100 } = entry.options
  const { store, fleet, work, close } = await openRooms({
    ...entry,
    cells: Number(cells),
    perCell: Number(perCell),
  })
  store.onCommit((committed) => tellOutcomes(committed, entry.done))
  return {
    submit: async (payload) => {
      await work.submit([{ type: 'nothing', payload }])
    },
    submitMany: async (payloads) => {
      await work.submit(payloads.map((payload) => ({ type: 'nothing', payload })))
    },
    work: async () => work.start(),
    facts: async () => {
      const { byType, attempts } = await work.summary()
      return { tasks: byType, attempts, cells: fleet.summary().cells, restarts: fleet.summary().restarts }
    },
    close,
  }
}
