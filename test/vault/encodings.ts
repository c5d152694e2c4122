/** Where a secret might have got to, in whatever form, and a look there. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** Forms of a text that somebody might have written it in. Base64 at each of its three offsets, without its edges. */
export const formsOf = (secret: string): ReadonlyMap<string, Buffer> => {
  const bytes = Buffer.from(secret)
  const shifted = (encoding: 'base64' | 'base64url', offset: number): string =>
    Buffer.concat([Buffer.alloc(offset, 'x'), bytes])
      .toString(encoding)
      .slice(offset === 0 ? 0 : 4)
      .slice(0, -4)
  const forms: Readonly<Record<string, string | Buffer>> = {
    raw: secret,
    json: JSON.stringify(secret).slice(1, -1),
    'json in json': JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1),
    percent: encodeURIComponent(secret),
    'json in percent': encodeURIComponent(JSON.stringify(secret).slice(1, -1)),
    'percent of each byte': [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    html: secret.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;'),
    hex: bytes.toString('hex'),
    'upper hex': bytes.toString('hex').toUpperCase(),
    'two bytes a character': Buffer.from(secret, 'utf16le'),
    ...Object.fromEntries(
      (['base64', 'base64url'] as const).flatMap((encoding) =>
        [0, 1, 2].map((offset) => [`${encoding} at ${offset}`, shifted(encoding, offset)]),
      ),
    ),
  }
  return new Map(Object.entries(forms).map(([name, form]) => [name, Buffer.from(form as string)]))
}

/** Names of the forms that are in there. */
export const hitsIn = (bytes: Buffer, forms: ReadonlyMap<string, Buffer>): readonly string[] =>
  [...forms].filter(([, form]) => bytes.includes(form)).map(([name]) => name)

export const filesBelow = (root: string): readonly string[] =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

const pieceBytes = 8 * 1024 * 1024

/** Looks through what a process may write to: its heaps, stacks and buffers. */
export const hitsInMemory = (pid: number, forms: ReadonlyMap<string, Buffer>): readonly string[] => {
  const longest = Math.max(...[...forms.values()].map((form) => form.length))
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  const found = new Set<string>()
  const piece = Buffer.alloc(pieceBytes + longest)
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      if (from === undefined || to === undefined) continue
      const end = BigInt(`0x${to}`)
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(pieceBytes)) {
        const left = end - at
        const wanted = left < BigInt(piece.length) ? Number(left) : piece.length
        try {
          const count = readSync(memory, piece, 0, wanted, at)
          for (const hit of hitsIn(piece.subarray(0, count), forms)) found.add(hit)
        } catch {
          break // a part that cannot be read by anybody, like a guard page
        }
      }
    }
  } finally {
    closeSync(memory)
  }
  return [...found]
}
