/** Which cell each type really gets on this machine, and what is told where that is less than was asked for. */
import type { Cell, CellPlan, Housing } from '../cell/cell.ts'
import type { AgentType } from '../model/model.ts'
import type { Live } from './live.ts'
import { notify } from './wiring.ts'

/** What was asked for, and what the machine made of it. */
export const housingOf = (live: Live, type: AgentType): Housing =>
  live.options.housing?.(type) ?? {
    requested: type.cell.kind,
    effective: type.cell.kind,
    weaker: [],
    refused: null,
  }

export const kindOf = (live: Live, type: AgentType): CellPlan['kind'] =>
  housingOf(live, type).effective ?? type.cell.kind

/** Behind walls the process that we know is the wall. */
export const memoryOf = (live: Live, cell: Cell, pid: number): number | null =>
  cell.memoryBytes === undefined ? (live.options.proc.residentBytes(pid) ?? null) : cell.memoryBytes()

/** The process in which a cell's agents run; undefined = there is none, or it cannot be seen behind its walls. */
export const programOf = (cell: Cell | null): number | undefined =>
  cell?.usage === undefined ? cell?.identity?.pid : (cell.usage().pid ?? undefined)

/** What this machine cannot make as it was asked for is told when it begins to matter, and kept for proof. */
export const tellHousing = (live: Live, type: AgentType): void => {
  const { requested, effective, weaker, refused } = housingOf(live, type)
  if (weaker.length === 0) return
  const { name } = type
  const facts = { type: name, requested, effective, weaker: weaker.join('; '), wayOut: refused?.wayOut ?? null }
  notify(live, refused === null ? 'cell.weaker' : 'cell.refused', refused === null ? 'warn' : 'error', {
    subject: name,
    message: refused?.why ?? `cells of ${name} are weaker than '${requested}' promises: ${weaker.join('; ')}`,
    facts,
  })
  if (refused === null)
    live.record.audit({ actor: 'sitter', action: 'cell.weaker', object: name, decision: 'done', facts })
}
