/** Small parts that every page uses: states, text from outside, pairs, filters. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import type { ErrorReport } from '../../src/model/task.ts'
import type { Exit } from '../../src/model/agent.ts'
import { filter, place } from './route.ts'
import { relative } from './time.tsx'
import { indented, visible, visibleLines } from './visible.ts'

type Tone = 'good' | 'bad' | 'unsure' | 'soft'
const marks: Readonly<Record<Tone, string>> = { good: '✓', bad: '✗', unsure: '?', soft: '•' }
const tones: Readonly<Record<string, Tone>> = {
  succeeded: 'good',
  settled: 'good',
  yes: 'good',
  no: 'bad',
  dead: 'bad',
  rejected: 'bad',
  failed: 'bad',
  returned: 'bad',
  poison: 'bad',
  permanent: 'bad',
  refused: 'bad',
  quarantined: 'bad',
  unknown: 'unsure',
  suspect: 'unsure',
  backoff: 'unsure',
  transient: 'unsure',
  held: 'unsure',
}

/** A state as its word, with a mark and a colour beside it. */
export const State = ({ of }: { of: string }) => {
  const tone = tones[of] ?? 'soft'
  return (
    <span class={`state ${tone}`}>
      <span class="mark" aria-hidden="true">
        {marks[tone]}
      </span>{' '}
      {visible(of)}
    </span>
  )
}

/** Text from outside, in its own reading direction. */
export const Said = ({ text }: { text: string }) => <bdi class="said">{visible(text)}</bdi>

const tail = 8
const shortId = 20

/** A link named by an id. Long ids begin alike and end apart: where room is short, the end stays. */
export const IdLink = ({ id, href }: { id: string; href: string }) =>
  id.length <= shortId ? (
    <a href={href}>{visible(id)}</a>
  ) : (
    <a href={href} aria-label={visible(id)} class="id">
      <span>{visible(id.slice(0, -tail))}</span>
      <span>{visible(id.slice(-tail))}</span>
    </a>
  )

export const Pair = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </>
)

/** A long text, folded until somebody wants it. */
export const Folded = ({ name, text, json = false }: { name: string; text: string; json?: boolean }) => {
  const opened = useSignal(false)
  return (
    <details
      class="folded"
      onToggle={(event) => {
        opened.value = event.currentTarget.open
      }}
    >
      <summary>
        {name} <span class="size">{text.length.toLocaleString('en-GB')} characters</span>
      </summary>
      {opened.value && (
        <pre tabIndex={0} role="region" aria-label={name}>
          {visibleLines(json ? indented(text) : text)}
        </pre>
      )}
    </details>
  )
}

export const ErrorText = ({ error }: { error: ErrorReport }) => {
  const facts = [error.code, error.status === undefined ? undefined : `status ${error.status}`, error.kind]
  const more = facts.filter((fact) => fact !== undefined).join(', ')
  return (
    <div class="error">
      <p>
        <b>
          <Said text={error.name} />
        </b>
        : <Said text={error.message} /> {more !== '' && <span class="size">({visible(more)})</span>}
      </p>
      {error.partial !== undefined && (
        <p>
          Part of it is done
          {error.partial.restVersion !== undefined && <>; the rest is payload version {error.partial.restVersion}</>}.
        </p>
      )}
      {error.partial?.done !== undefined && <Folded name="Done" text={JSON.stringify(error.partial.done)} json />}
      {error.stack !== undefined && <Folded name="Stack" text={error.stack} />}
    </div>
  )
}

export const exitText = (exit: Exit): string => {
  const at = exit.at === undefined ? '' : ` ${relative(exit.at)}`
  return [`${exit.kind}${at}`, exit.who, exit.what].filter((part) => part !== undefined).join(', ')
}

/** A filter of this place with a few values. What the address holds is offered even when it is not among them. */
export const Pick = ({ name, label, values }: { name: string; label: string; values: readonly string[] }) => {
  const now = place.value.query[name] ?? ''
  const all = now === '' || values.includes(now) ? values : [...values, now]
  return (
    <label class="pick">
      {label}{' '}
      <select
        value={now}
        onChange={(event) => {
          filter({ [name]: event.currentTarget.value })
        }}
      >
        <option value="">all</option>
        {all.map((value) => (
          <option key={value} value={value}>
            {visible(value)}
          </option>
        ))}
      </select>
    </label>
  )
}

const typingRestMs = 200

/** A filter of this place by text; the address follows when the typing rests. */
export const TextFilter = ({ name, label, hint }: { name: string; label: string; hint: string }) => {
  const now = place.value.query[name] ?? ''
  const typed = useSignal(now)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => {
    if (timer.current === undefined) typed.value = now
  }, [now])
  useEffect(() => () => clearTimeout(timer.current), [])
  return (
    <label class="pick">
      {label}{' '}
      <input
        type="search"
        placeholder={hint}
        value={typed.value}
        autocomplete="off"
        spellcheck={false}
        maxLength={200}
        onInput={(event) => {
          typed.value = event.currentTarget.value
          clearTimeout(timer.current)
          timer.current = setTimeout(() => {
            timer.current = undefined
            filter({ [name]: typed.value }, true)
          }, typingRestMs)
        }}
      />
    </label>
  )
}

/** More of a list, up to the bound of what one page holds. */
export const More = ({
  next,
  shown,
  most,
  more,
}: {
  next: string | null
  shown: number
  most: number
  more: () => void
}) => {
  if (next === null) return null
  if (shown >= most)
    return <p class="empty">There is more than {most.toLocaleString('en-GB')}. Narrow the filter, or export.</p>
  return (
    <p>
      <button type="button" onClick={more}>
        Show more
      </button>
    </p>
  )
}
