/**
 * A table of any length of which only what is seen is in the document. The first column links to the row's own page;
 * `j` and `k` (or the arrows) walk from row to row, also to those that are not in the document yet.
 */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core'
import type { ComponentChildren, RefObject } from 'preact'
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks'
import { rowWalk } from './keys.ts'

const rowPx = 36

export interface Column<Item> {
  readonly name: string
  readonly cell: (item: Item, index: number) => ComponentChildren
  /** Left out where the screen is narrow. */
  readonly wide?: boolean
}

export interface RowsProps<Item> {
  /** What the table holds, for who cannot see it. */
  readonly label: string
  /** Names the columns' widths in the style sheet. */
  readonly look: string
  readonly items: readonly Item[]
  readonly keyOf: (item: Item) => string
  readonly columns: readonly Column<Item>[]
}

const useVirtual = (
  count: number,
  scroller: RefObject<HTMLDivElement | null>,
): Virtualizer<HTMLDivElement, Element> => {
  const [, repaint] = useReducer((turn: number) => turn + 1, 0)
  const options = {
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    overscan: 10,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => repaint(null),
  }
  const [virtual] = useState(() => new Virtualizer<HTMLDivElement, Element>(options))
  virtual.setOptions({ ...virtual.options, ...options })
  useLayoutEffect(() => virtual._didMount(), [virtual])
  useLayoutEffect(() => virtual._willUpdate())
  return virtual
}

const indexOfFocus = (): number | null => {
  const row = document.activeElement?.closest('[data-index]')
  return row instanceof HTMLElement ? Number(row.dataset['index']) : null
}

/** Scrolls to the row and focuses its link once it is in the document. */
const focusRow = (virtual: Virtualizer<HTMLDivElement, Element>, table: HTMLElement, index: number): void => {
  virtual.scrollToIndex(index, { align: 'auto' })
  let turnsLeft = 10
  const attempt = (): void => {
    const link = table.querySelector<HTMLElement>(`[data-index="${index}"] a`)
    turnsLeft -= 1
    if (link !== null) link.focus({ preventScroll: true })
    else if (turnsLeft > 0) requestAnimationFrame(attempt)
  }
  attempt()
}

export const Rows = <Item,>({ label, look, items, keyOf, columns }: RowsProps<Item>) => {
  const scroller = useRef<HTMLDivElement>(null)
  const table = useRef<HTMLDivElement>(null)
  const virtual = useVirtual(items.length, scroller)
  useEffect(() => {
    const walk = (step: number): void => {
      const now = indexOfFocus()
      const index = now === null ? (virtual.range?.startIndex ?? 0) : now + step
      if (index >= 0 && index < items.length) focusRow(virtual, table.current!, index)
    }
    rowWalk.value = walk
    return () => {
      if (rowWalk.value === walk) rowWalk.value = null
    }
  }, [items.length])
  return (
    <div class={`rows ${look}`} role="table" aria-label={label} aria-rowcount={items.length + 1} ref={table}>
      <div role="rowgroup" class="heads">
        <div role="row" class="row" aria-rowindex={1}>
          {columns.map(({ name, wide }) => (
            <span key={name} role="columnheader" class={wide ? 'wide' : ''}>
              {name}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" class="body" ref={scroller} tabIndex={0}>
        <div role="none" class="all" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const item = items[index]
            if (item === undefined) return null
            return (
              <div
                key={keyOf(item)}
                role="row"
                class="row"
                aria-rowindex={index + 2}
                data-index={index}
                style={{ transform: `translateY(${start}px)` }}
              >
                {columns.map(({ name, wide, cell }) => (
                  <span key={name} role="cell" class={wide ? 'wide' : ''}>
                    {cell(item, index)}
                  </span>
                ))}
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}
