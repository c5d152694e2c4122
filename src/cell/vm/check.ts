/** Whether a module can run in a `vm` cell: it is read with all that it imports, and none of it is run. */
import { asFailure } from '../../std/std.ts'
import { linkModules } from './link.ts'
import { quickEngine } from './quickjs.ts'

export interface ModuleFault {
  readonly found: string
  readonly expected: string
}

export const vmModuleFault = async (module: string): Promise<ModuleFault | null> => {
  try {
    await linkModules(quickEngine(), module)
    return null
  } catch (error) {
    const { message, facts } = asFailure(error)
    const { from, imports, wayOut } = facts
    return imports === undefined
      ? { found: message, expected: 'a module that a vm cell can run' }
      : { found: `an import of ${JSON.stringify(imports)} in ${String(from)}`, expected: String(wayOut) }
  }
}
