/** Moments, told twice: how long ago, and when. The zone is chosen once for the whole page and remembered. */
import { signal } from '@preact/signals'
import { sitterNowMs } from './known.ts'
import { duration } from './words.ts'

type Zone = 'local' | 'utc'
const zoneKey = 'sitter.zone'
export const zone = signal<Zone>(localStorage.getItem(zoneKey) === 'utc' ? 'utc' : 'local')

export const chooseZone = (chosen: Zone): void => {
  localStorage.setItem(zoneKey, chosen)
  zone.value = chosen
}

const formats = (timeZone: string | undefined) => {
  const more = { hourCycle: 'h23', ...(timeZone !== undefined && { timeZone }) } as const
  const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const
  const day = { year: 'numeric', month: '2-digit', day: '2-digit' } as const
  return {
    clock: new Intl.DateTimeFormat('sv-SE', { ...clock, ...more }),
    full: new Intl.DateTimeFormat('sv-SE', { ...day, ...clock, ...more }),
  }
}
const zones: Readonly<Record<Zone, ReturnType<typeof formats>>> = { local: formats(undefined), utc: formats('UTC') }
const dayMs = 86_400_000
/** What a Date can hold; a moment beyond it is no moment. */
const mostMs = 8.64e15

/** "18:22:04", with its day when it is not of the last 24 hours. */
export const clockText = (wallMs: number): string => {
  const { clock, full } = zones[zone.value]
  if (!(Math.abs(wallMs) <= mostMs)) return 'unknown'
  return Math.abs(sitterNowMs.value - wallMs) < dayMs ? clock.format(wallMs) : full.format(wallMs)
}

/** "3 m 12 s ago", "in 4 s". */
export const relative = (wallMs: number): string => {
  const ago = sitterNowMs.value - wallMs
  return ago >= 0 ? `${duration(ago)} ago` : `in ${duration(-ago)}`
}

const iso = (wallMs: number): string | undefined =>
  Math.abs(wallMs) <= mostMs ? new Date(wallMs).toISOString() : undefined

/** A moment by its clock alone, for lines in order of time. */
export const Clock = ({ ms }: { ms: number }) => (
  <time dateTime={iso(ms)} title={`${iso(ms) ?? ''}, ${relative(ms)}`}>
    {clockText(ms)}
  </time>
)

/** A moment as both; null is `none`. */
export const When = ({ ms, none = 'never' }: { ms: number | null; none?: string }) =>
  ms === null ? (
    <>{none}</>
  ) : (
    <time dateTime={iso(ms)} class="when">
      {relative(ms)} <span>{clockText(ms)}</span>
    </time>
  )

export const ZoneSwitch = () => (
  <button
    type="button"
    class="zone"
    aria-pressed={zone.value === 'utc'}
    title="Times in UTC, or in this browser's zone"
    onClick={() => chooseZone(zone.value === 'utc' ? 'local' : 'utc')}
  >
    UTC
  </button>
)
