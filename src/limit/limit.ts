/** Front door of limits: what may go when, who waits, what a provider's refusal means. */
export { openBuckets, type Applied, type Buckets, type Scope } from './buckets.ts'
export type { Admission, Wanted } from './line.ts'
export { openLines, type Lines } from './lines.ts'
export { parseRetryAfter, pauseAfter } from './pause.ts'
export type { LimitRule } from './shape.ts'
export { throttledLimits } from './throttle.ts'
