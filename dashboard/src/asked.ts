/**
 * A question that is asked again and again while its page is open and looked at. The answer carries its age; when the
 * question changes, the old answer is gone at once.
 */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { List } from '../../src/doors/api.ts'
import { ask, AskFault, sentence } from './ask.ts'
import { heard } from './known.ts'

export interface Asked<Answer> {
  readonly answer: Answer | null
  /** Monotonic time of the answer; null before the first. */
  readonly atMs: number | null
  /** Why the last question failed; null when it did not. */
  readonly fault: string | null
  readonly missing: boolean
  readonly forbidden: boolean
  readonly everyMs: number
  /** Asks now. */
  again(): void
}

interface Known<Answer> {
  readonly key: string
  readonly answer: Answer | null
  readonly atMs: number | null
  readonly fault: string | null
  readonly missing: boolean
  readonly forbidden: boolean
}

const nothing = { answer: null, atMs: null, fault: null, missing: false, forbidden: false } as const

const afterFault = <Answer>(before: Known<Answer>, error: unknown): Known<Answer> => {
  const fault = sentence(error)
  if (!(error instanceof AskFault)) return { ...before, fault }
  if (error.signedOut) heard.value = { ...heard.value, signedOut: true }
  const { missing, forbidden } = error
  // What is gone, or is not for this role, leaves no old answer behind.
  return missing || forbidden ? { ...nothing, key: before.key, fault, missing, forbidden } : { ...before, fault }
}

/** `key` names the question: the same key means the same `question`. Null asks nothing. */
export const useAsked = <Answer>(
  key: string | null,
  question: (signal: AbortSignal) => Promise<Answer>,
  everyMs: number,
): Asked<Answer> => {
  const known = useSignal<Known<Answer>>({ ...nothing, key: '' })
  const askNow = useRef<() => void>(() => {})
  useEffect(() => {
    if (key === null) return
    const over = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let [asking, wanted] = [false, false]
    known.value = { ...nothing, key }
    const turn = async (): Promise<void> => {
      clearTimeout(timer)
      if (document.hidden || over.signal.aborted) return
      wanted = asking
      if (asking) return
      asking = true
      try {
        const answer = await question(over.signal)
        if (!over.signal.aborted) known.value = { ...nothing, key, answer, atMs: performance.now() }
      } catch (error) {
        if (!over.signal.aborted) known.value = afterFault(known.value, error)
      }
      asking = false
      if (over.signal.aborted) return
      timer = setTimeout(() => void turn(), wanted ? 0 : everyMs)
    }
    askNow.current = () => void turn()
    const seen = (): void => void turn()
    document.addEventListener('visibilitychange', seen)
    void turn()
    return () => {
      over.abort()
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', seen)
    }
  }, [key, everyMs])
  const now = known.value.key === key ? known.value : { ...nothing, key: '' }
  return { ...now, everyMs, again: () => askNow.current() }
}

/** One thing at one path. */
export const useOne = <Answer>(path: string | null, everyMs: number): Asked<Answer> =>
  useAsked(path, (signal) => ask<Answer>(path!, { signal }), everyMs)

const withQuery = (path: string, query: Readonly<Record<string, string | undefined>>): string => {
  const wanted = Object.entries(query).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '')
  return `${path}?${new URLSearchParams(wanted).toString()}`
}

export interface ListAsk {
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  /** Items a page, and how many pages at most. */
  readonly limit: number
  readonly pages: number
  readonly everyMs: number
}

/** The first pages of a list, one after the other; `next` tells that there is more. */
export const useList = <Item>({ path, query = {}, limit, pages, everyMs }: ListAsk): Asked<List<Item>> =>
  useAsked(
    `${withQuery(path, query)} ${limit} ${pages}`,
    async (signal) => {
      const items: Item[] = []
      let page: List<Item> | undefined
      for (let read = 0; read < pages && page?.next !== null; read += 1) {
        const cursor = page?.next
        page = await ask<List<Item>>(withQuery(path, { ...query, limit: String(limit), cursor }), { signal })
        items.push(...page.items)
      }
      return { ...page!, items }
    },
    everyMs,
  )
