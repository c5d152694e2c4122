/**
 * Texts that look like secrets: those that begin as providers' keys do, and random ones beside a name like token,
 * secret or key. Pure: what was found is told by line and reason, never by its text.
 */

export interface Suspect {
  /** From 1. */
  readonly line: number
  readonly why: string
}

/** On a line: what stands there is none. */
export const allowed = 'sitter:not-a-secret'

/** How keys of well-known providers begin, with what must follow; a match needs no name beside it. */
const prefixes: readonly (readonly [what: string, form: RegExp])[] = [
  ['a Stripe key', /\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}/],
  ['a webhook secret', /\bwhsec_[A-Za-z0-9+/=]{16,}/],
  ['a key of an AI provider', /\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})/],
  ['a GitLab token', /\bglpat-[A-Za-z0-9_-]{18,}/],
  ['a Slack token', /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/],
  ['an AWS key', /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ['a Google key', /\bAIza[A-Za-z0-9_-]{35}/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}/],
  ['a PyPI token', /\bpypi-[A-Za-z0-9_-]{40,}/],
  ['a SendGrid key', /\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/],
  ['a Hugging Face token', /\bhf_[A-Za-z0-9]{30,}/],
  ['a signed token (JWT)', /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/],
  ['a private key', /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/],
  ['an age identity', /\bAGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{20,}/],
  ['a token of this program', /\bswt_[A-Za-z0-9_-]{40,}/],
]

const secretName = /(?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key|access[_-]?key|bearer)s?$/i
/** Hex, base64 and the like; words, paths, addresses and templates have other characters, or too few kinds. */
const randomText = /^[A-Za-z0-9+/_=-]{16,512}$/
/** Sixteen random hex digits have about 3.0 bits a character, words of that length in one case have less. */
const leastBits = 2.9

/** Shannon's measure, in bits a character. */
const bitsPerCharacter = (text: string): number => {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}

/** Whether a text could be a random one: letters and digits mixed, and no character much more often than others. */
export const looksRandom = (text: string): boolean =>
  randomText.test(text) &&
  (text.match(/\d/g)?.length ?? 0) >= 3 &&
  /[A-Za-z]/.test(text) &&
  bitsPerCharacter(text) >= leastBits

/** Why a value under a name looks like a secret; undefined when it does not. */
export const suspicion = (name: string, value: string): string | undefined => {
  const known = prefixes.find(([, form]) => form.test(value))
  if (known !== undefined) return known[0]
  return secretName.test(name) && looksRandom(value) ? `a random text beside the name ${name.slice(0, 60)}` : undefined
}

/** A name and a literal: `token: '…'`, `"api_key": "…"`, `const secret = "…"`, `TOKEN=…`. */
const named = /([A-Za-z_$][\w$-]{0,80})["'`]?\]?\s*(?::|=>?|:=)\s*["'`]?([A-Za-z0-9+/_=.-]{16,512})(?=["'`\s,;)}\]]|$)/g

export const suspectsIn = (text: string): readonly Suspect[] =>
  text.split(/\r?\n/).flatMap((line, index) => {
    if (line.includes(allowed)) return []
    const known = prefixes.find(([, form]) => form.test(line))
    if (known !== undefined) return [{ line: index + 1, why: known[0] }]
    // Made by a program, and full of texts that look random.
    if (line.length > 20_000) return []
    for (const [, name, value] of line.matchAll(named)) {
      const why = suspicion(name!, value!)
      if (why !== undefined) return [{ line: index + 1, why }]
    }
    return []
  })
