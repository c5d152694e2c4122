/**
 * Front door of std: ports and small values that know no domain. Real forms are in `std/real/real.ts`, for assemblies
 * only.
 */
export { canonicalJson } from './canonical.ts'
export {
  every,
  fromCivil,
  passedMs,
  remainingMs,
  sleep,
  toCivil,
  type Cancel,
  type Clock,
  type Stamp,
} from './clock.ts'
export { steadyClock, type Kept, type SteadyClock } from './steady.ts'
export { codes, type Code, type FailureKind } from './codes.ts'
export { costAmount, formatCost, parseCost, type Cost } from './cost.ts'
export type { Disk } from './disk.ts'
export { ownMs, spentBetween, type Effort, type Spent, type ThreadEffort } from './effort.ts'
export { asFailure, assert, Failure, failure, type FailureOptions, type Facts } from './failure.ts'
export type { Folder, FolderFile } from './folder.ts'
export { idMaker, isId, type IdPrefix, type NewId } from './id.ts'
export { formatDuration, parseDuration, parseRate, parseSize, type Rate } from './measure.ts'
export { currencyDigits, formatAmount, formatMoney, parseAmount, parseMoney, type Money } from './money.ts'
export type { Link, Listening, Net } from './net.ts'
export type { Pressure, PressureReading } from './pressure.ts'
export type { Notify } from './notify.ts'
export type { Child, Proc, ProcessEnd, ProcessIdentity, SpawnOptions } from './proc.ts'
export { mayLoseDigits, parseExactly } from './exact-json.ts'
export { JsonText } from './json-text.ts'
export type { Outside, OutsideAnswer, OutsideAsk } from './outside.ts'
export { BoundedQueue } from './queue.ts'
export { between, seeded, type Random } from './random.ts'
export { stopAll, type Service } from './service.ts'
