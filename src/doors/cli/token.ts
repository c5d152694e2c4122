/** `token create`, `ls`, `revoke`: who may ask this sitter from outside. A token's value is printed once. */
import { isRole, roles } from '../../record/record.ts'
import { failure } from '../../std/std.ts'
import type { TokenAnswer } from '../api.ts'
import { confirm, onlyDry, required } from './asking.ts'
import { age, at, plain } from './text.ts'
import type { Deed } from './verb.ts'

interface Created {
  readonly id: string
  readonly name: string
  readonly role: string
  readonly token: string
}

export const tokenCreate: Deed = async (invocation) => {
  const { options, printer } = invocation
  const [name, role, expires] = [options.text('name'), options.text('role'), options.text('expires')]
  if (name === undefined) throw failure('usage', '--name is missing: whose token it is, like ci or ada')
  if (role === undefined || !isRole(role)) throw failure('usage', `--role must be one of ${roles.join(' ')}`)
  const wanted = { name, role, ...(expires !== undefined && { expires }) }
  if (onlyDry(invocation, `create a token ${plain(name)} with the role ${role}`, wanted)) return 0
  const created = await (await invocation.api()).post<Created>('/api/v1/tokens', wanted)
  printer.note(`token ${plain(created.name)}, role ${created.role}; this is the only time that it is shown`)
  printer.show(created, () => [created.token])
  return 0
}

const stateOf = (token: TokenAnswer, nowMs: number): string => {
  if (token.revokedMs !== null) return 'revoked'
  if (token.expiresMs === null) return 'lives'
  return token.expiresMs > nowMs ? `until ${at(token.expiresMs)}` : 'expired'
}

export const tokenList: Deed = async ({ api, printer, world }) => {
  const tokens = await (await api()).all<TokenAnswer>('/api/v1/tokens')
  const nowMs = world.clock.wallMs()
  printer.list(tokens, (token) => token.name, [
    { head: 'NAME', value: (token) => token.name },
    { head: 'ROLE', value: (token) => token.role },
    { head: 'STATE', value: (token) => stateOf(token, nowMs) },
    { head: 'MADE', value: (token) => age(nowMs, token.createdMs), align: 'right' },
    { head: 'BY', value: (token) => token.actor },
    { head: 'USED', value: (token) => (token.usedMs === null ? 'never' : age(nowMs, token.usedMs)), align: 'right' },
    { head: 'ID', value: (token) => token.id },
  ])
  return 0
}

export const tokenRevoke: Deed = async (invocation) => {
  const name = required(invocation, 0)
  if (onlyDry(invocation, `revoke the token ${plain(name)}`, { name })) return 0
  await confirm(invocation, `Whoever uses the token ${plain(name)} is refused from then on.`, name)
  const answer = await (await invocation.api()).post<unknown>(`/api/v1/tokens/${encodeURIComponent(name)}/revoke`)
  invocation.printer.show(answer, () => [`${plain(name)} is revoked`])
  return 0
}
