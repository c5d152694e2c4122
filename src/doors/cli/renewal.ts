/** `vault rotate` and `vault revoke`, and what is said of a credential's renewal. */
import { failure, formatDuration } from '../../std/std.ts'
import type { CredentialDescription, RenewalView } from '../api.ts'
import { onlyDry, required, waitUntil } from './asking.ts'
import { plain } from './text.ts'
import type { Deed } from './verb.ts'

const day = 86_400_000

const lasts = (ms: number): string =>
  ms >= day ? `${Math.floor(ms / day)}d` : formatDuration(Math.ceil(ms / 1_000) * 1_000)

const dueText = ({ dueMs, automatic }: RenewalView, nowMs: number): string => {
  if (dueMs === null) return 'no plan without a version'
  const leftMs = dueMs - nowMs
  const who = automatic ? 'rotates' : 'by hand'
  return leftMs < 0 ? `${who}, due since ${lasts(-leftMs)}` : `${who} in ${lasts(leftMs)}`
}

export const renewalText = (renewal: RenewalView, nowMs: number): string => {
  const { phase, active, next, old, grant } = renewal
  const grantText = grant === null ? [] : [`token ${grant.state}`]
  if (phase === 'idle') return [...grantText, dueText(renewal, nowMs)].join(', ')
  const versions = [`@${active ?? '?'}`, ...(next === null || next === active ? [] : [`→ @${next}`])].join(' ')
  const left = old.length === 0 ? '' : `, ends ${old.map((version) => `@${version}`).join(' ')}`
  return [...grantText, `${phase} ${versions}${left}`].join(', ')
}

export const vaultRotate: Deed = async (invocation) => {
  const { options, printer, world } = invocation
  const name = required(invocation, 0)
  const deed = options.flag('compromised') ? 'compromised' : 'rotate'
  if (onlyDry(invocation, `${deed === 'rotate' ? 'rotate' : 'replace'} ${plain(name)}`, { name, deed })) return 0
  const api = await invocation.api()
  const path = `/api/v1/credentials/${encodeURIComponent(name)}`
  const begun = await api.post<{ readonly name: string; readonly begun: string }>(`${path}/${deed}`, {})
  if (options.text('wait') === undefined && !options.flag('wait')) {
    printer.show(begun, () => [`${plain(name)}: ${deed === 'rotate' ? 'its rotation begins' : 'it is being replaced'}`])
    return 0
  }
  const renewal = await waitUntil(invocation, `the rotation of ${plain(name)}`, async () => {
    const seen = await api.get<CredentialDescription>(path)
    // It has come to nothing: a new version was made, and is not taken.
    const isOver = seen.phase === 'person' || (seen.phase === 'idle' && seen.why !== null)
    if (isOver) throw failure('conflict', `${name}: ${seen.why}`)
    return seen.phase === 'idle' ? seen : undefined
  })
  printer.show({ ...begun, renewal }, () => [`${plain(name)}: ${renewalText(renewal, world.clock.wallMs())}`])
  return 0
}

export const vaultRevoke: Deed = async (invocation) => {
  const given = required(invocation, 0)
  const [, name, version] = /^([A-Za-z0-9][A-Za-z0-9._-]{0,62})@([1-9][0-9]{0,8})$/.exec(given) ?? []
  if (name === undefined) throw failure('usage', 'give a version like northbank@3')
  if (onlyDry(invocation, `say that ${given} is revoked`, { name, version: Number(version) })) return 0
  const api = await invocation.api()
  const path = `/api/v1/credentials/${encodeURIComponent(name)}/revoke`
  const answer = await api.post<unknown>(path, { version: Number(version) })
  invocation.printer.show(answer, () => [`${given} is revoked`])
  return 0
}
