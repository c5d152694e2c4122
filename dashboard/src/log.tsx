/**
 * The last lines of the log, of one agent, cell or room, or of all. While it follows, new lines come at the end and the
 * end stays in sight; held, it stays as it is so that it can be read and copied, and counts what has come since.
 */
import { useSignal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { LogAnswer } from '../../src/doors/api.ts'
import { ask } from './ask.ts'
import { useAsked } from './asked.ts'
import { Fresh } from './fresh.tsx'
import { levelWord, linesKept, moreOf, withAnswer, type Kept } from './log-lines.ts'
import { Pick, TextFilter } from './parts.tsx'
import { agentHref, place } from './route.ts'
import { Clock } from './time.tsx'
import { visible, visibleLines } from './visible.ts'
import { count, counted } from './words.ts'

const everyMs = 2_000
const firstLines = 200
const levels = ['debug', 'info', 'warn', 'error', 'fatal']
const marks: Readonly<Record<string, string>> = { warn: '▲', error: '■', fatal: '■' }

const Line = ({ line, named }: { line: Kept['lines'][number]; named: boolean }) => {
  const level = levelWord(line.level)
  const more = moreOf(line)
  return (
    <li class={level === 'fatal' ? 'error' : level}>
      <Clock ms={line.time} />
      <span class="level">
        <span aria-hidden="true">{marks[level] ?? '·'}</span> {level}
      </span>
      {named && (
        <span class="subject">
          {line.agent === undefined ? (
            visible(line.room)
          ) : /^[a-z][a-z0-9-]*\/[0-9]{1,7}$/.test(line.agent) ? (
            <a href={agentHref(line.agent)}>{line.agent}</a>
          ) : (
            visible(line.agent)
          )}
        </span>
      )}
      <span class="message">
        <bdi>{visibleLines(line.msg)}</bdi>
        {more !== null && <code class="more">{visible(more)}</code>}
      </span>
    </li>
  )
}

const Lines = ({ kept, follow, named }: { kept: Kept; follow: boolean; named: boolean }) => {
  const list = useRef<HTMLOListElement>(null)
  const last = kept.lines.length + kept.dropped
  useLayoutEffect(() => {
    if (follow && list.current !== null) list.current.scrollTop = list.current.scrollHeight
  }, [follow, last])
  return (
    <ol class={named ? 'log' : 'log one'} ref={list} tabIndex={0} aria-label="Log lines, newest last">
      {kept.lines.map((line, at) => (
        <Line key={kept.dropped + at} line={line} named={named} />
      ))}
    </ol>
  )
}

const Notes = ({ kept }: { kept: Kept }) => (
  <>
    {!kept.complete && <p class="note">The search stopped at its bound: older lines may be in the log.</p>}
    {kept.unread.length > 0 && (
      <p class="note">Could not be read, so their lines are missing here: {kept.unread.map(visible).join(', ')}.</p>
    )}
    {kept.dropped > 0 && (
      <p class="hint">
        {counted(kept.dropped, 'older line')} left this page, which holds {count(linesKept)}.
      </p>
    )}
  </>
)

interface LogProps {
  /** An agent, cell or room; absent = all. */
  readonly id?: string | undefined
  /** Whose lines is a filter too. */
  readonly who?: boolean
}

const LogLines = ({ id, level, grep }: LogProps & { level: string | undefined; grep: string | undefined }) => {
  const seen = useRef<Kept | null>(null)
  const held = useSignal<Kept | null>(null)
  const key = `log ${id} ${level} ${grep}`
  const asked = useAsked(
    key,
    async (signal) => {
      const before = seen.current
      const query = Object.entries({ id, level, grep, after: before?.place }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      )
      const limit = before === null ? firstLines : linesKept
      const text = new URLSearchParams([...query, ['limit', String(limit)]]).toString()
      // Looking through 64 MiB takes a second of a busy machine.
      seen.current = withAnswer(before, await ask<LogAnswer>(`/api/v1/logs?${text}`, { signal, patienceMs: 20_000 }))
      return seen.current
    },
    everyMs,
  )
  return (
    <Fresh asked={asked}>
      {(now) => {
        const kept = held.value ?? now
        const newer = now.lines.length + now.dropped - kept.lines.length - kept.dropped
        return (
          <>
            <p class="count">
              <label>
                <input
                  type="checkbox"
                  checked={held.value === null}
                  onChange={(event) => {
                    held.value = event.currentTarget.checked ? null : now
                  }}
                />{' '}
                follow
              </label>{' '}
              <span role="status">
                {counted(kept.lines.length, 'line')}
                {newer > 0 && `, ${count(newer)} newer held back`}
              </span>
            </p>
            <Notes kept={kept} />
            {kept.lines.length === 0 ? (
              <p class="empty">
                {level === undefined && grep === undefined && id !== undefined
                  ? `${visible(id)} has logged nothing.`
                  : 'No line is like that.'}
              </p>
            ) : (
              <Lines kept={kept} follow={held.value === null} named={id === undefined || !id.includes('/')} />
            )}
          </>
        )
      }}
    </Fresh>
  )
}

/** With its filters, which live in the address. */
export const Log = ({ id, who = false }: LogProps) => {
  const { level, grep } = place.value.query
  return (
    <>
      <div class="filters">
        {who && <TextFilter name="id" label="Who" hint="settler/0042, cel_…, gate" />}
        <Pick name="level" label="Level from" values={levels} />
        <TextFilter name="grep" label="Text" hint="as it stands in a line" />
      </div>
      <LogLines key={`${id} ${level} ${grep}`} id={id} level={level} grep={grep} />
    </>
  )
}
