/**
 * Keys that work everywhere: `/` search, `j` `k` rows, `?` help, Escape one level up. They rest while text is typed or
 * a dialog is open, and can be switched off for those whose tools type letters of their own.
 */
import { signal } from '@preact/signals'
import { go, hrefOf, place } from './route.ts'

const offKey = 'sitter.keys'
export const keysOn = signal(localStorage.getItem(offKey) !== 'off')

export const switchKeys = (on: boolean): void => {
  localStorage.setItem(offKey, on ? 'on' : 'off')
  keysOn.value = on
}

export const helpOpen = signal(false)
/** Moves the focus by rows in the table of this page; null where there is none. */
export const rowWalk = signal<((step: number) => void) | null>(null)

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof Element && target.matches('input, textarea, select')

const upward = (): void => {
  const [first, ...rest] = place.value.path
  if (first !== undefined && rest.length > 0) go(hrefOf([first]))
}

const deeds: Readonly<Record<string, () => void>> = {
  '/': () => document.getElementById('search')?.focus(),
  '?': () => {
    helpOpen.value = true
  },
  j: () => rowWalk.value?.(1),
  k: () => rowWalk.value?.(-1),
}

const onKey = (event: KeyboardEvent): void => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
  if (document.querySelector('dialog[open]') !== null) return
  if (event.key === 'Escape') {
    if (isTyping(event.target)) (event.target as HTMLElement).blur()
    else upward()
    return
  }
  if (isTyping(event.target)) return
  const inRows = event.target instanceof Element && event.target.closest('.rows') !== null
  const arrows: Readonly<Record<string, string>> = { ArrowDown: 'j', ArrowUp: 'k' }
  if (inRows && arrows[event.key] !== undefined) {
    event.preventDefault()
    deeds[arrows[event.key]!]!()
    return
  }
  const deed = keysOn.value ? deeds[event.key] : undefined
  if (deed === undefined) return
  event.preventDefault()
  deed()
}

export const startKeys = (): void => document.addEventListener('keydown', onKey)
