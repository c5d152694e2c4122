import fc from 'fast-check'
import { expect, test } from 'vitest'
import { manyOf, sendMany, tally, unfinished } from '../../../dashboard/src/many.ts'
import { agentHref, hrefOf, placeOf, searchHref } from '../../../dashboard/src/address.ts'
import { indented, visible, visibleLines } from '../../../dashboard/src/visible.ts'
import { anyText } from '../../any-text.ts'

test('every place has an address, and every address leads back to its place', () => {
  const path = fc.array(anyText.filter((text) => text !== '' && text.isWellFormed()))
  const query = fc.dictionary(
    fc.string({ minLength: 1 }),
    anyText.filter((text) => text !== '' && text.isWellFormed()),
  )
  fc.assert(
    fc.property(path, query, (parts, filters) => {
      expect(placeOf(hrefOf(parts, filters))).toEqual({ path: parts, query: { ...filters } })
    }),
  )
  expect(placeOf('#/agents/%zz?text=%zz')).toEqual({ path: ['agents', '%zz'], query: { text: '%zz' } })
  expect(hrefOf(['tasks'], { state: 'dead', type: undefined, batch: '' })).toBe('#/tasks?state=dead')
})

test('what is searched for leads to its page, and anything else to the agents', () => {
  expect(searchHref(' settler/42 ')).toBe('#/agents/settler/0042')
  expect(agentHref('settler/0042')).toBe('#/agents/settler/0042')
  expect(searchHref('tsk_1')).toBe('#/tasks/tsk_1')
  expect(searchHref('set_1')).toBe('#/settlements/set_1')
  expect(searchHref('bat_1')).toBe('#/tasks?batch=bat_1')
  expect(searchHref('"><x')).toBe('#/agents?text=%22%3E%3Cx')
})

test('no letter that cannot be seen, and none that turns the reading order, is left as it is', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(visible(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/u)
      expect(visibleLines(text).replaceAll(/[\n\t]/g, '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/u)
    }),
  )
  expect(visible('a\u202eb\ud800\n')).toBe('a⟨U+202E⟩b⟨U+D800⟩⟨U+000A⟩')
  expect(visible('Zoë 木 𝒳 العربية')).toBe('Zoë 木 𝒳 العربية')
})

test('indented JSON is the same JSON, digit by digit', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      expect(JSON.parse(indented(json))).toEqual(JSON.parse(json))
    }),
  )
  expect(indented('{"n":9007199254740993,"a":[],"s":"{,}"}')).toBe(
    '{\n  "n": 9007199254740993,\n  "a": [],\n  "s": "{,}"\n}',
  )
  expect(indented(`${'['.repeat(100)}${']'.repeat(100)}`).length).toBeLessThan(20_000)
})

test('when many orders are stopped, what was not begun is left, and can be sent later', async () => {
  const ids = Array.from({ length: 20 }, (_, index) => `tsk_${index}`)
  const stop = new AbortController()
  stop.abort()
  const left = await sendMany(manyOf(ids), { path: (id) => id, stop: stop.signal, told: () => {} })
  expect(tally(left)).toEqual({ waits: 0, 'under-way': 0, left: 20, done: 0, refused: 0, unknown: 0 })
  expect(unfinished(left)).toEqual(ids)
})
