/**
 * `vault set` and `vault ls`: a secret is read hidden or from stdin, sealed to the gate's key here, and never printed.
 */
import { failure } from '../../std/std.ts'
import type { VaultView } from '../api.ts'
import { onlyDry, required } from './asking.ts'
import { age, plain } from './text.ts'
import type { Deed, Invocation } from './verb.ts'

const longestSecret = 65_536

const readSecret = async ({ world }: Invocation, name: string): Promise<string> => {
  if (!world.stdin.isTerminal) return (await world.stdin.readAll(longestSecret)).replace(/\r?\n$/, '')
  world.stderr.write(`value of ${plain(name)} (not shown): `)
  const value = await world.stdin.readLine({ hidden: true })
  world.stderr.write('\n')
  return value
}

export const vaultSet: Deed = async (invocation) => {
  const name = required(invocation, 0)
  if (invocation.arguments[1] !== undefined) {
    throw failure('usage', 'a secret on the command line is seen by everybody on this machine', {
      facts: { wayOut: 'leave it away and type it at the prompt, or give it on stdin' },
    })
  }
  const api = await invocation.api()
  // The key comes first: nobody is asked for a secret that could not be sealed.
  const { sealingKey } = await api.get<VaultView>('/api/v1/credentials')
  const value = await readSecret(invocation, name)
  if (value === '') throw failure('usage', 'the value is empty')
  const { sealTo } = await import('../../gatelink/gatelink.ts')
  const sealed = sealTo(sealingKey, value)
  if (onlyDry(invocation, `set ${plain(name)}`, { name })) return 0
  const answer = await api.post<unknown>('/api/v1/credentials', { name, sealed })
  invocation.printer.show(answer, () => [`${plain(name)} is set`])
  return 0
}

export const vaultList: Deed = async ({ api, printer, world }) => {
  const vault = await (await api()).get<VaultView>('/api/v1/credentials')
  const nowMs = world.clock.wallMs()
  if (printer.json) {
    printer.document(vault)
    return 0
  }
  printer.list(vault.credentials, (one) => `${one.name}@${one.version}`, [
    { head: 'CREDENTIAL', value: (one) => `${one.name}@${one.version}` },
    { head: 'STATE', value: (one) => one.state },
    { head: 'FINGERPRINT', value: (one) => one.fingerprint },
    { head: 'SET', value: (one) => age(nowMs, one.setMs), align: 'right' },
    { head: 'USED', value: (one) => (one.usedMs === null ? 'never' : age(nowMs, one.usedMs)), align: 'right' },
  ])
  return 0
}
