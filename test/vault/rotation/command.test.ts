import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { runWith } from '../../../src/gate.ts'
import { realClock, realProc } from '../../../src/std/real/real.ts'
import { deedsOf, type Work } from '../../../src/vault/rotation/rotators.ts'
import type { RecordUse } from '../../../src/vault/vault.ts'
import { rotation } from './world.ts'

let directory = ''
const recorded: object[] = []
/** Why no use can be written down. */
let refuse: string | null = null
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
  recorded.length = 0
  refuse = null
})

const work: Work = {
  name: 'bank',
  signing: { kind: 'bearer' },
  by: { version: 1, secret: async () => 'the-old-secret' },
  label: 'l-1',
}

/** A program of an operator, in the shell. */
const deeds = (script: string, withinMs = 5_000) => {
  directory = mkdtempSync(join(tmpdir(), 'rotator-'))
  mkdirSync(join(directory, 'out'))
  const path = join(directory, 'rotate.sh')
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  const rule = rotation({ rotator: { by: 'command', command: [path], directory, withinMs } })
  const run = runWith(realProc(), realClock(), { PATH: process.env['PATH'], HOME: '/nowhere', SECRET_OF_MINE: 'x' })
  const recordUse: RecordUse = async (use) => {
    if (refuse !== null) throw new Error(refuse)
    recorded.push({ use: `${use.method} ${use.credentials.map(({ version }) => version).join(',')}`, to: use.to })
    return ({ ended }) => void recorded.push({ ended })
  }
  const ask = () => Promise.reject(new Error('no'))
  return deedsOf({ name: 'bank', pool: [], rotation: rule }, { run, ask, recordUse })!
}

test('a program makes, finds, tries and ends keys; secrets go by stdin and stdout alone', async () => {
  const one = deeds(`
    cat > out/$SITTER_ROTATE.in; env > out/$SITTER_ROTATE.env; echo "$@" > out/$SITTER_ROTATE.args
    case $SITTER_ROTATE in
      mint) echo '{"secret":"the-new-secret","id":7,"expiresAt":"2026-03-01T00:00:00Z"}' ;;
      list) echo "[{\\"id\\":\\"k9\\",\\"label\\":\\"$SITTER_LABEL\\"},{\\"id\\":\\"k8\\",\\"label\\":\\"other\\"}]" ;;
      test) exit 0 ;;
      revoke) exit 0 ;;
    esac`)
  expect(await one.mint(work)).toEqual({
    kind: 'minted',
    secret: 'the-new-secret',
    id: '7',
    endsMs: Date.parse('2026-03-01T00:00:00Z'),
  })
  expect(await one.look(work)).toEqual({ kind: 'ids', ids: ['k9'] })
  expect(await one.test(work, { version: 2, secret: async () => 'the-new-secret' })).toEqual({ kind: 'accepted' })
  expect(await one.revoke(work, { id: '6', held: { version: 1, secret: async () => 'the-old-secret' } })).toEqual({
    kind: 'revoked',
  })
  const said = (name: string): string => readFileSync(join(directory, 'out', name), 'utf8')
  expect(JSON.parse(said('revoke.in'))).toEqual({ secret: 'the-old-secret', id: '6', old: 'the-old-secret' })
  expect(JSON.parse(said('test.in'))).toEqual({ secret: 'the-old-secret', next: 'the-new-secret' })
  expect(said('mint.env') + said('mint.args')).not.toMatch(/the-old-secret|SECRET_OF_MINE/)
  expect(said('mint.env')).toContain('SITTER_LABEL=l-1')
  const to = 'program:rotate.sh'
  const ended = 'answered'
  const uses = ['mint 1', 'list 1', 'test 1,2', 'revoke 1'].flatMap((use) => [{ use, to }, { ended }])
  expect(recorded).toEqual(uses)
})

test('what a program ends with says what is known: nothing happened, no such deed here, or nobody knows', async () => {
  const one = deeds(
    'cat > /dev/null; case $SITTER_ROTATE in mint) exit 75 ;; list) exit 64 ;; test) exit 64 ;; *) exit 64 ;; esac',
  )
  expect(await one.mint(work)).toMatchObject({ kind: 'not-minted' })
  expect(await one.look(work)).toMatchObject({ kind: 'cannot-look' })
  expect(await one.test(work, work.by)).toEqual({ kind: 'untested' })
  expect(await one.revoke(work, { id: null, held: null })).toEqual({ kind: 'cannot-revoke' })
  rmSync(directory, { recursive: true })
  const other = deeds('cat > /dev/null; case $SITTER_ROTATE in mint) exit 1 ;; test) exit 1 ;; *) exit 1 ;; esac')
  expect(await other.mint(work)).toMatchObject({ kind: 'mint-unknown' })
  expect(await other.test(work, work.by)).toMatchObject({ kind: 'not-accepted' })
  expect(await other.revoke(work, { id: null, held: null })).toMatchObject({ kind: 'not-revoked' })
  rmSync(directory, { recursive: true })
  const quiet = deeds('cat > /dev/null; echo nothing')
  expect(await quiet.mint(work)).toMatchObject({ kind: 'mint-unknown' })
})

test('a program that does not end is killed, and whether it made a key is not known', async () => {
  const one = deeds('cat > /dev/null; sleep 600', 300)
  expect(await one.mint(work)).toMatchObject({ kind: 'mint-unknown', why: 'the program did not end in time' })
})

test.each([
  ['[]', { kind: 'ids', ids: [] }],
  ['{"keys": null}', { kind: 'ids', ids: [] }],
  ['{"keys": [{"id": 1, "label": "other"}]}', { kind: 'ids', ids: [] }],
  ['{"keys": [{"id": 1, "label": "l-1"}, {"id": 2, "label": "l-1"}]}', { kind: 'ids', ids: ['1', '2'] }],
  // None of these says that there is no such key.
  ['{"keys": [{"id": 1, "label": "l-1"', { kind: 'still-there' }],
  ['', { kind: 'still-there' }],
  ['{"keys": [{"id": 1, "name": "l-1"}]}', { kind: 'still-there', why: expect.stringContaining('labelAt') as string }],
  ['{"keys": [{"key": 1, "label": "l-1"}]}', { kind: 'still-there', why: expect.stringContaining('idAt') as string }],
  ['{"error": "try later"}', { kind: 'still-there' }],
])('a list of keys that is %s is read for what it says, and no more', async (printed, expected) => {
  const one = deeds(`cat > /dev/null; cat <<'END'\n${printed}\nEND`)
  expect(await one.look(work)).toMatchObject(expected)
})

test('a use that cannot be written down is none: the program is not started, and no secret is opened', async () => {
  const one = deeds('touch out/started; echo {}')
  refuse = 'the journal is full'
  let opened = 0
  const secret = async (): Promise<string> => {
    opened += 1
    return 'x'
  }
  const held = { version: 1, secret }
  const asked = { ...work, by: held }
  expect(await one.mint(asked)).toMatchObject({ kind: 'not-minted', why: expect.stringContaining(refuse) as string })
  expect(await one.look(asked)).toMatchObject({ kind: 'still-there' })
  expect(await one.test(asked, held)).toMatchObject({ kind: 'test-unknown' })
  expect(await one.revoke(asked, { id: '1', held })).toMatchObject({ kind: 'not-revoked' })
  expect(opened).toBe(0)
  expect(existsSync(join(directory, 'out', 'started'))).toBe(false)
})
