/**
 * A copy of what is in use, for an age recipient: whoever has its identity can put the values into another vault. It
 * leaves the gate as an age file and nothing else.
 */
import { canonicalJson, failure } from '../std/std.ts'

export interface BackedUp {
  readonly name: string
  readonly version: number
  readonly value: string
}

/** Base64 of an age file whose text is `{kind, credentials: [{name, version, value}]}`. @throws Failure `invalid`. */
export const backupTo = async (recipient: string, credentials: readonly BackedUp[]): Promise<string> => {
  // Not with the gate, for which agents wait when it starts (keys/kinds.ts).
  const { Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  try {
    encrypter.addRecipient(recipient)
  } catch (cause) {
    throw failure('invalid', 'this is no age recipient: it begins with age1 (age-keygen -y key.txt prints it)', {
      cause,
    })
  }
  const text = Buffer.from(canonicalJson({ kind: 'swarmsitter credentials 1', credentials }))
  try {
    return Buffer.from(await encrypter.encrypt(text)).toString('base64')
  } finally {
    text.fill(0)
  }
}
