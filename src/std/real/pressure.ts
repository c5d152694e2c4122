/** The machine's own pressure. */
import { readFileSync } from 'node:fs'
import { readPressure, type Pressure } from '../pressure.ts'

const textIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // no such file on this machine, or not ours to read: it tells nothing
  }
}

/** A reading is seven small files, 0.1 ms. */
export const realPressure = (): Pressure => ({ read: () => readPressure(textIfThere) })
