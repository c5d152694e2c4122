/** How a program is started that knows no gate: by way of the bridge, which becomes the program. */
import { realpathSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { CellPlan } from '../port.ts'

/** Source and built form lie alike. */
const bridge = join(import.meta.dirname, `bridge${extname(import.meta.filename)}`)

/** As small as Node can be: 9 MB for what passes bytes on. */
const flags = [
  '--disable-warning=ExperimentalWarning',
  '--v8-pool-size=0',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
]

/** Words before those of the program; none for a program that knows the gate. */
export const wayOf = ({ proxy, kind }: Pick<CellPlan, 'proxy' | 'kind'>): readonly string[] =>
  proxy === undefined ? [] : [process.execPath, ...flags, bridge, 'start', kind === 'sandbox' ? 'own' : 'shared', '--']

/** What a sandbox must see of that. */
export const wayFiles = (): readonly string[] => [realpathSync(process.execPath), process.execPath, bridge]
