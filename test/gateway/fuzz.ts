/**
 * Requests and answers that begin well and are then damaged: bytes put in, cut out, repeated, turned; from random ones
 * and from a vocabulary of what has fooled readers of HTTP. And a strict reader of what the gate says to all that.
 */
import fc from 'fast-check'

type Damage =
  | { readonly kind: 'line'; readonly at: number; readonly bytes: string }
  | { readonly kind: 'put'; readonly at: number; readonly bytes: string }
  | { readonly kind: 'cut'; readonly at: number; readonly length: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number; readonly times: number }
  | { readonly kind: 'turn'; readonly at: number; readonly bit: number }

const place = fc.nat(400)

const damageFrom = (words: readonly string[]): fc.Arbitrary<Damage> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('line' as const), at: fc.nat(5), bytes: fc.constantFrom(...words) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('put' as const), at: place, bytes: fc.constantFrom(...words) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('put' as const),
        at: place,
        bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: place, length: fc.nat(30) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('repeat' as const), at: place, length: fc.nat(40), times: fc.nat(5) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const), at: place, bit: fc.nat(7) }) },
  )

const damaged = (whole: string, damages: readonly Damage[]): string => {
  let text = whole
  for (const damage of damages) {
    const at = damage.at % (text.length + 1)
    const before = text.slice(0, at)
    switch (damage.kind) {
      case 'line': {
        const lines = text.split('\r\n')
        lines[damage.at % lines.length] = damage.bytes + lines[damage.at % lines.length]!
        text = lines.join('\r\n')
        break
      }
      case 'put':
        text = before + damage.bytes + text.slice(at)
        break
      case 'cut':
        text = before + text.slice(at + damage.length)
        break
      case 'repeat':
        text = before + text.slice(at, at + damage.length).repeat(damage.times) + text.slice(at)
        break
      case 'turn':
        text = before + String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << damage.bit)) + text.slice(at + 1)
    }
  }
  return text
}

const ofHttp = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  '\r\n\r\n',
  '\r\n ',
  '\x0b',
  '\x7f',
  '\xff',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  'content-length: 5\r\n',
  'Content-Length: 0\r\n',
  'content-length: 99999\r\n',
  'content-length:-1\r\n',
  'transfer-encoding: chunked\r\n',
  'Transfer-Encoding: identity, chunked\r\n',
  'trailer: x\r\n',
  ';ext=\r\n',
  'connection: close\r\n',
  'connection: authorization, x-sitter-agent\r\n',
  'HTTP/1.0',
  'HTTP/1.1',
  'HTTP/2.0',
  '__proto__: x\r\n',
  'constructor: x\r\n',
  'a:\r\n'.repeat(300),
]

const requestWords = (elsewhere: string): readonly string[] => [
  ...ofHttp,
  '%2f',
  '%2e%2e',
  '%00',
  '%',
  '..',
  '/../',
  '//',
  '\\',
  '@',
  '#',
  '?',
  ';',
  '&',
  '*',
  '{',
  '|',
  '"',
  `http://${elsewhere}/`,
  `//${elsewhere}/`,
  `@${elsewhere}/`,
  `host: ${elsewhere}\r\n`,
  `CONNECT ${elsewhere} `,
  'authorization: Bearer forged\r\n',
  'Proxy-Authorization: x\r\n',
  'cookie: a=b\r\n',
  'x-http-method-override: PUT\r\n',
  'x-sitter-agent: payer/0002\r\n',
  'x-sitter-agent: other/0001\r\n',
  'expect: 100-continue\r\n',
  'expect: x\r\n',
  'upgrade: websocket\r\nconnection: upgrade\r\n',
  'upgrade: h2c\r\n',
  '/bank/v1/payouts',
  'POST ',
  'GET ',
  'payouts',
  'GET /bank/v1/second HTTP/1.1\r\nhost: x\r\n\r\n',
  'POST /bank/v1/payouts HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}',
]

const wholeRequests = [
  'GET /bank/v1/a?q=1 HTTP/1.1\r\nhost: x\r\naccept: */*\r\n\r\n',
  'POST /bank/v1/a HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello',
  'POST /bank/v1/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'GET /bank/v1/a HTTP/1.1\r\nhost: x\r\nx-sitter-agent: payer/0001\r\n\r\nGET /bank/v1/b HTTP/1.1\r\nhost: x\r\n\r\n',
  'POST /bank/v1/payouts HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}',
]

export const badRequests = (elsewhere: string): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(...wholeRequests), fc.array(damageFrom(requestWords(elsewhere)), { maxLength: 5 }))
    .map(([whole, damages]) => damaged(whole, damages))

const answerWords = (secret: string, elsewhere: string): readonly string[] => [
  ...ofHttp,
  secret,
  `x-echo: ${secret}\r\n`,
  `x-${secret}: 1\r\n`,
  `1;${secret}\r\nx\r\n`,
  `set-cookie: a=${secret}\r\n`,
  'content-encoding: gzip\r\n',
  'content-encoding: gzip, br, x\r\n',
  'content-encoding: identity\r\n',
  '\x1f\x8b\x08',
  'content-type: text/plain; charset=utf-16\r\n',
  `location: http://${elsewhere}/\r\n`,
  'date: tomorrow\r\n',
  'x-ratelimit-remaining: -1\r\n',
  'x-ratelimit-limit: 1e999\r\n',
  'ratelimit: "x";r=;t=\r\n',
  'keep-alive: timeout=x\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n',
  'HTTP/1.1 101 Switching\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\n\r\n',
  'HTTP/1.1 999 X\r\n',
  ' 0 ',
  ' 600 ',
  'upgrade: x\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged',
]

const wholeAnswers = [
  'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\nnothing here',
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 503 Sick\r\ncontent-length: 2\r\n\r\nno',
]

export const badAnswers = (secret: string, elsewhere: string): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(...wholeAnswers), fc.array(damageFrom(answerWords(secret, elsewhere)), { maxLength: 5 }))
    .map(([whole, damages]) => damaged(whole, damages))

export interface Answer {
  readonly status: number
  readonly head: string
  readonly body: string
}

const headerLine = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: ?[\t\x20-\x7e\x80-\xff]*$/

const chunksOf = (text: string): { readonly body: string; readonly rest: string } | undefined => {
  let body = ''
  let rest = text
  for (;;) {
    const line = /^([0-9a-f]+)\r\n/i.exec(rest)
    if (line === null) return undefined
    const length = Number.parseInt(line[1]!, 16)
    rest = rest.slice(line[0].length)
    if (length === 0) return rest.startsWith('\r\n') ? { body, rest: rest.slice(2) } : undefined
    if (rest.length < length + 2 || rest.slice(length, length + 2) !== '\r\n') return undefined
    body += rest.slice(0, length)
    rest = rest.slice(length + 2)
  }
}

/**
 * All that the gate said, taken apart strictly. `cut`: it ends within an answer, as one whose upstream broke off does.
 * @throws Error when any of it is no HTTP.
 */
export const answersIn = (said: string): { readonly answers: readonly Answer[]; readonly cut: boolean } => {
  const answers: Answer[] = []
  let rest = said
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return { answers, cut: true }
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 ([1-9]\d\d) [\x20-\x7e]*$/.exec(first)?.[1])
    if (!status) throw new Error(`no status line: ${JSON.stringify(first)}`)
    const bad = lines.find((line) => !headerLine.test(line))
    if (bad !== undefined) throw new Error(`no header: ${JSON.stringify(bad)}`)
    const head = rest.slice(0, end)
    rest = rest.slice(end + 4)
    if (status < 200) continue
    const length = /^content-length: (\d+)$/im.exec(head)?.[1]
    if (status === 204 || status === 304) answers.push({ status, head, body: '' })
    else if (length !== undefined) {
      if (rest.length < Number(length)) return { answers, cut: true }
      answers.push({ status, head, body: rest.slice(0, Number(length)) })
      rest = rest.slice(Number(length))
    } else {
      const chunks = chunksOf(rest)
      if (chunks === undefined) return { answers, cut: true }
      answers.push({ status, head, body: chunks.body })
      rest = chunks.rest
    }
  }
  return { answers, cut: false }
}
