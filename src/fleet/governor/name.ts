/** The governor's name for a group that waits with its cell: the same in the next sitter, as long as the types are. */
import type { Group } from '../live.ts'

export const groupName = (group: Group): string =>
  group.part === null ? `${group.settings.name}#${group.index}` : `${group.settings.name}#${group.part.id}`
