/** docs/protocol.md against the wire: every frame that it shows is one, and every request has its line. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readRequest } from '../../src/fleet/fleet.ts'
import { modes } from '../../src/model/model.ts'
import { checkBeat, checkBroken, checkHello, checkLog, failKinds } from '../../src/wire/wire.ts'
import { classify } from '../../src/work/decide.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'protocol.md'), 'utf8')
const shown = page
  .split('\n')
  .map((line) => /^(?:([→←]) )?(\{"jsonrpc".*\})$/.exec(line))
  .flatMap((found) => (found === null ? [] : [{ to: found[1] ?? '→', frame: JSON.parse(found[2]!) as Frame }]))
interface Frame {
  readonly jsonrpc: string
  readonly method?: string
  readonly id?: unknown
  readonly params?: unknown
}
const notifications = { hello: checkHello, beat: checkBeat, log: checkLog, 'agent.broken': checkBroken }

test('Every frame that the page shows a program sending is taken as it stands', () => {
  const sent = shown.filter(({ to, frame }) => to === '→' && frame.method !== undefined)
  const methods = sent.map(({ frame }) => frame.method!)
  expect([...new Set(methods)].toSorted()).toEqual([
    'agent.broken',
    'beat',
    'done',
    'fail',
    'hello',
    'lock.take',
    'log',
    'park',
    'settle',
    'settlement',
    'state.put',
    'task.add',
  ])
  for (const { frame } of sent) {
    const check = notifications[frame.method as keyof typeof notifications]
    if (check === undefined) readRequest(frame.method!, frame.params)
    else expect(check(frame.params)).toMatchObject({ ok: true })
  }
})

test('The page names every request and every frame to a program', () => {
  for (const word of ['state.get', 'lock.renew', 'lock.free', 'run', 'cancel', 'ping', 'drain'])
    expect(page).toContain(`\`${word}\``)
})

test('The page names every mode, and every kind of failure in its table, with what becomes of it', () => {
  for (const mode of modes) expect(page).toContain(`\`${mode}\``)
  const rows = /\| `kind` \| \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(page)![1]!
  const kinds = [...rows.matchAll(/^\|((?: `\w+`)+) \|/gm)].flatMap(([, words]) => words!.trim().split(' '))
  expect(kinds.map((word) => word.slice(1, -1)).toSorted()).toEqual([...failKinds].toSorted())
  const error = { name: 'Error', message: 'x' }
  expect(classify({ ...error, kind: 'interrupted' })).toBe(classify({ ...error, kind: 'transient' }))
  expect(classify({ ...error, kind: 'transitory', status: 404 })).toBe('permanent')
})
