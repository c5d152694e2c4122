/** What the HTTP door answers about upstreams; a part of api.ts. */
import type { GateStatus, LimitsView } from '../wire/wire.ts'

/** One of GET /api/v1/upstreams: as configured, and as the gate has seen it since it began. */
export interface UpstreamAnswer {
  readonly name: string
  readonly url: string
  readonly credential: string | null
  readonly allow: readonly string[]
  readonly money: readonly string[]
  readonly limits: GateStatus['upstreams'][number]['limits']
  readonly calls: number
  readonly byStatus: Readonly<Record<string, number>>
  readonly latencyMs: GateStatus['upstreams'][number]['latencyMs']
  readonly waitMs: GateStatus['upstreams'][number]['waitMs']
  readonly learned: GateStatus['upstreams'][number]['learned']
  readonly paused: GateStatus['upstreams'][number]['paused']
  readonly paces: GateStatus['upstreams'][number]['paces']
  readonly unsigned: boolean
  readonly breakers: GateStatus['upstreams'][number]['breakers']
}
/** GET /api/v1/upstreams/:name. */
export interface UpstreamShown extends UpstreamAnswer, LimitsView {}
export type { LimitUsage } from '../wire/wire.ts'
