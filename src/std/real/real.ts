/** Front door of the real forms: for assemblies, the pool host and tests only. */
export { realClock } from './clock.ts'
export { realDisk } from './disk.ts'
export { realFolder } from './folder.ts'
export { realNet } from './net.ts'
export { realNotify } from './notify.ts'
export { realOutside } from './outside.ts'
export { canDieWithParent, realProc } from './proc.ts'
export { realRandom } from './random.ts'
