/**
 * Which test keeps which line of the list of hostile inputs (B1 … B24, as far as the rooms exist). A title or file that
 * is gone fails here, so that no line loses its test unseen.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

interface Line {
  readonly what: string
  /** Test file and a piece of the title of a test in it. */
  readonly kept: readonly (readonly [file: string, title: string])[]
  /** What of the line has no room yet. */
  readonly later?: string
}

const lines: Readonly<Record<string, Line>> = {
  B1: {
    what: 'patterns of users that never end',
    kept: [
      ['hostile/input.test.ts', 'B1: no pattern of a user is ever compiled'],
      ['hostile/input.test.ts', 'B1: routes of a config and event filters are matched in no time'],
      ['record/log.test.ts', 'grep is the text itself'],
    ],
  },
  B2: {
    what: 'names and arguments that a shell would run',
    kept: [
      ['hostile/input.test.ts', 'B2: an agent type named'],
      ['hostile/input.test.ts', 'B2: nothing is ever started through a shell'],
      ['cell/process.test.ts', 'A program gets its two sockets and four variables'],
      ['cell/walls.test.ts', 'Names, arguments and folders with what a shell would read'],
      ['doors/cli/completion.test.ts', 'What was typed before Tab is never run by bash'],
      ['doors/cli/completion.test.ts', 'What a shell would obey is never offered'],
    ],
  },
  B3: {
    what: 'prototype keys; environment over HTTP',
    kept: [
      ['config/parse.test.ts', 'Keys that reach prototypes are refused wherever they stand'],
      ['wire/check.test.ts', 'Keys that reach a prototype are not copied, at any depth'],
      ['doors/http/writes.test.ts', 'is dropped wherever it stands'],
      ['hostile/input.test.ts', 'B3: no answer of the API carries a variable of the environment'],
    ],
  },
  B5: {
    what: 'logs and objects of others through a name that looks alike',
    kept: [
      ['record/log.test.ts', 'an id is that id'],
      ['doors/http/roles.test.ts', 'roles hold for each object'],
      ['gateway/doors.test.ts', 'an agent of another cell, no agent, and two agents are refused'],
    ],
  },
  B6: {
    what: 'paths that leave their directory; links, pipes and devices as files',
    kept: [
      ['hostile/input.test.ts', 'B6: the page gives out nothing beside its own assets'],
      ['record/log.test.ts', 'A link, a pipe or a directory with the name of a log file is never read'],
      ['record/log.test.ts', 'A sparse file of 10 GB costs a look its bound'],
      ['gateway/doors.test.ts', 'paths that two readers could read differently are refused'],
    ],
  },
  B7: {
    what: 'doors without a token',
    kept: [
      ['doors/http/admission.test.ts', 'without a token every method of every route answers 401'],
      ['doors/http/admission.test.ts', 'garbage, a header flood and TRACE'],
    ],
  },
  B8: {
    what: 'magic headers, null tokens, bodies that say who they are',
    kept: [
      ['doors/http/admission.test.ts', 'headers that claim to be internal'],
      ['doors/http/admission.test.ts', 'the word null'],
      ['doors/http/writes.test.ts', 'a task that brings %s is refused and nothing is taken'],
    ],
  },
  B9: {
    what: 'names that lead to us from elsewhere',
    kept: [
      ['doors/http/admission.test.ts', 'a name that resolves to us'],
      ['doors/http/admission.test.ts', 'an absolute-form target is refused'],
      ['doors/http/admission.test.ts', 'a foreign origin is refused'],
    ],
  },
  B10: {
    what: 'handles of others',
    kept: [
      ['doors/http/lists.test.ts', 'a cursor is good for its own list and filters only'],
      ['doors/http/roles.test.ts', 'an Idempotency-Key is its caller’s'],
      ['doors/http/session.test.ts', 'another sitter on this host has another cookie'],
    ],
    later: 'tokens between API and MCP',
  },
  B11: {
    what: 'inner items that name others; an attempt used in the next one',
    kept: [
      ['work/room.test.ts', 'an attempt of another agent cannot be ended'],
      ['work/room.test.ts', 'its late result is refused as stale'],
      ['gateway/grants.test.ts', 'a request that differs from its hash is refused and never sent'],
      ['hostile/input.test.ts', 'B11: an item of a batch that brings an id'],
    ],
  },
  B12: {
    what: 'ways to write an address that is not to be reached',
    kept: [
      ['gateway/addresses.test.ts', 'B12: no way of writing this host reaches it without a grant'],
      ['gateway/addresses.test.ts', 'B12: a URL with a user, brackets around a name'],
      ['gateway/addresses.test.ts', 'B12: a grant of a name covers private addresses'],
      ['gateway/rules.test.ts', 'only public unicast addresses are public'],
    ],
  },
  B13: {
    what: 'names that say another address later, and redirects',
    kept: [
      ['gateway/addresses.test.ts', 'B13: a name that says another address each time'],
      ['gateway/addresses.test.ts', 'B13: of many addresses of one name'],
      ['gateway/addresses.test.ts', 'B13: a name that is not found'],
      ['gateway/addresses.test.ts', 'B13: the real resolver'],
      ['gateway/redirects.test.ts', 'B15: following a redirect is another call'],
    ],
  },
  B14: {
    what: 'requests and answers that two readers take apart differently',
    kept: [
      ['gateway/framing.test.ts', 'B14: %s is answered once, with a refusal'],
      ['gateway/framing.test.ts', 'B14: what stands after a whole request'],
      ['gateway/framing.test.ts', 'B14: a chunked body goes out framed anew'],
      ['gateway/framing.test.ts', 'B14: a header flood'],
      ['gateway/framing.test.ts', "B14: a credential's header is replaced"],
      ['gateway/framing.test.ts', 'B14: hop-by-hop headers'],
      ['gateway/framing.test.ts', 'B14: a granted request with controls'],
      ['gateway/framing.test.ts', 'B14: an upstream that answers with %s'],
      ['gateway/framing.test.ts', 'B14: what an upstream says after its answer'],
      ['gateway/framing.test.ts', 'B14: a folded header of an upstream'],
    ],
  },
  B15: {
    what: 'answers that send a credential elsewhere',
    kept: [
      ['gateway/redirects.test.ts', 'B15: an answer that moves its caller'],
      ['gateway/redirects.test.ts', 'S6: two upstreams with a credential each'],
    ],
  },
  B16: {
    what: 'what has crashed Node',
    kept: [
      ['gateway/framing.test.ts', 'B16: headers named like parts of a prototype'],
      ['gateway/framing.test.ts', 'B16: a hundred thousand colliding keys'],
      ['gateway/framing.test.ts', "['HTTP/2 with prior knowledge'"],
      ['gateway/fuzz.slow.ts', 'ten thousand damaged requests'],
    ],
  },
  B20: { what: 'schedules that never or always come', kept: [], later: 'the room of schedules' },
  B21: {
    what: 'texts that command whoever reads them',
    kept: [
      ['doors/cli/text.test.ts', 'no text gets a control or bidi character through plain'],
      ['doors/cli/looking.test.ts', 'what the record says cannot move the cursor'],
      ['hostile/terminal.test.ts', 'prints nothing that a terminal obeys'],
      ['hostile/terminal.test.ts', 'what a person typed comes back without'],
      ['doors/page/outside.page.ts', 'hostile texts stay texts on every page'],
    ],
    later: 'MCP; CSV exports (there are none: exports are NDJSON)',
  },
  B22: {
    what: 'bombs of compression, depth, keys and digits',
    kept: [
      ['doors/http/writes.test.ts', 'a compressed one'],
      ['wire/lines.test.ts', 'A bomb of brackets is refused before it is parsed'],
      ['hostile/input.test.ts', 'B22: a million keys'],
      ['gateway/bombs.test.ts', 'B22: an answer that unpacks to hundreds of megabytes'],
      ['gateway/bombs.test.ts', 'B22: a granted call whose answer is a bomb'],
      ['gateway/bombs.test.ts', 'B22: JSON of any depth and width'],
    ],
  },
  B23: {
    what: 'numbers that are no amounts',
    kept: [
      ['settle/rows.test.ts', '9007199254740993123'],
      ['settle/rows.test.ts', 'yen have no cents'],
      ['std/money.test.ts', 'Near the bound, where doubles begin to lose digits'],
      ['hostile/input.test.ts', 'B23: an agent that asks to pay'],
      ['std/exact-json.test.ts', 'no integer is changed unseen'],
      ['doors/http/writes.test.ts', 'a number that would be rounded'],
    ],
  },
  B24: {
    what: 'encodings, twins and lines without end',
    kept: [
      ['settle/rows.test.ts', 'a zero-width twin'],
      ['wire/check.test.ts', 'Ids and references hold no control characters and no half characters'],
      ['wire/lines.test.ts', 'A byte order mark, blank lines and CRLF do no harm'],
      ['wire/lines.test.ts', 'A line without end is refused once'],
      ['doors/http/writes.test.ts', 'lines that end as on Windows are the same lines'],
      ['doors/http/writes.test.ts', 'a line over its bound is refused alone'],
      ['hostile/input.test.ts', 'B24: an id of a megabyte'],
      ['hostile/input.test.ts', 'B24: references that differ only by what is invisible'],
      ['hostile/input.test.ts', 'B24: nor when an agent asks for them'],
      ['hostile/input.test.ts', 'B24: what everybody can see is not the same'],
    ],
  },
}

/** Lines of this list that the API, wire, config, CLI, gate and amounts must stand; B4, B17 … B19, B25 are others'. */
const expected = 'B1 B2 B3 B5 B6 B7 B8 B9 B10 B11 B12 B13 B14 B15 B16 B20 B21 B22 B23 B24'.split(' ')

test('every line has a test, or says which room it waits for', () => {
  expect(Object.keys(lines)).toEqual(expected)
  for (const [name, { kept, later }] of Object.entries(lines)) {
    if (kept.length === 0) expect({ name, later }).toEqual({ name, later: expect.any(String) as string })
  }
})

test.each(Object.entries(lines).flatMap(([name, { what, kept }]) => kept.map((one) => [name, what, ...one] as const)))(
  '%s (%s) is kept in %s by “%s”',
  (_name, _what, file, title) => {
    expect(readFileSync(join(import.meta.dirname, '..', file), 'utf8')).toContain(title)
  },
)
