/** SQL of access and change: tokens, writes that began, configuration versions; and their reads. */
import type { ConfigAdd, RequestBegin, RequestForget, TokenCreate, TokenRevoke, TokenUsed } from '../commands/access.ts'
import type { Result } from '../commands/result.ts'
import type { ConfigVersionView, Queries, TokenView } from '../queries.ts'
import { page } from '../sqlite/read-work.ts'
import { done, refuse, type Asking, type Session } from './session.ts'

/** How long a revoked token is still listed; the audit names it for ever. */
const listedMs = 30 * 86_400_000

export const tokenCreate = async (
  session: Session,
  { token, actor, wallMs }: TokenCreate['with'],
): Promise<Result<null>> => {
  await session.run('DELETE FROM tokens WHERE revoked_ms < $1', wallMs - listedMs)
  if (await session.one('SELECT 1 FROM tokens WHERE name = $1 AND revoked_ms IS NULL', token.name))
    return refuse('exists', `there is a token named ${token.name} that is not revoked`)
  await session.run(
    'INSERT INTO tokens (id, name, role, hash, actor, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)',
    token.id,
    token.name,
    token.role,
    token.hash,
    actor,
    wallMs,
    token.expiresMs,
  )
  return done(null)
}

export const tokenRevoke = async (session: Session, { id, wallMs }: TokenRevoke['with']): Promise<Result<null>> => {
  if ((await session.run('UPDATE tokens SET revoked_ms = $1 WHERE id = $2 AND revoked_ms IS NULL', wallMs, id)) > 0)
    return done(null)
  return (await session.one('SELECT 1 FROM tokens WHERE id = $1', id))
    ? refuse('illegal', `token ${id} was revoked before`)
    : refuse('not-found', `there is no token ${id}`)
}

export const tokenUsed = async (session: Session, { id, wallMs }: TokenUsed['with']): Promise<Result<null>> => {
  await session.run('UPDATE tokens SET used_ms = $1 WHERE id = $2 AND (used_ms IS NULL OR used_ms < $1)', wallMs, id)
  return done(null)
}

export const requestBegin = async (session: Session, asked: RequestBegin['with']): Promise<Result<null>> => {
  const { key, requestHash, untilMs, wallMs } = asked
  await session.run('DELETE FROM requests WHERE until_ms < $1', wallMs)
  await session.run('DELETE FROM requests_begun WHERE until_ms < $1', wallMs)
  const there = await session.one<{ request_hash: string }>(
    'SELECT request_hash FROM requests WHERE key = $1 UNION ALL SELECT request_hash FROM requests_begun WHERE key = $1',
    key,
  )
  if (there) return refuse(there.request_hash === requestHash ? 'exists' : 'exists-with-different', key)
  await session.run(
    'INSERT INTO requests_begun (key, request_hash, until_ms) VALUES ($1, $2, $3)',
    key,
    requestHash,
    untilMs,
  )
  return done(null)
}

export const requestForget = async (
  session: Session,
  { key, requestHash }: RequestForget['with'],
): Promise<Result<null>> => {
  await session.run('DELETE FROM requests_begun WHERE key = $1 AND request_hash = $2', key, requestHash)
  return done(null)
}

export const configAdd = async (
  session: Session,
  { version: added, actor, wallMs }: ConfigAdd['with'],
): Promise<Result<{ version: number }>> => {
  const newest = await session.one<{ version: number; hash: string }>(
    'SELECT version, hash FROM config_versions ORDER BY version DESC LIMIT 1',
  )
  if (newest?.hash === added.hash) return refuse('exists', `version ${newest.version} is the same`)
  const version = (newest?.version ?? 0) + 1
  await session.run(
    'INSERT INTO config_versions (version, hash, file, base_directory, raw, changes, actor, wall_ms) ' +
      'VALUES ($1, $2, $3, $4, $5, $6, $7, $8)',
    version,
    added.hash,
    added.file,
    added.baseDirectory,
    added.raw,
    JSON.stringify(added.changes),
    actor,
    wallMs,
  )
  return done({ version })
}

interface TokenRow {
  id: string
  name: string
  role: string
  hash: string
  actor: string
  created_ms: number
  expires_ms: number | null
  used_ms: number | null
  revoked_ms: number | null
}
const tokenView = (row: TokenRow): TokenView => ({
  id: row.id,
  name: row.name,
  role: row.role,
  hash: row.hash,
  actor: row.actor,
  createdMs: row.created_ms,
  expiresMs: row.expires_ms,
  usedMs: row.used_ms,
  revokedMs: row.revoked_ms,
})

interface VersionRow {
  seq: number
  version: number
  hash: string
  file: string
  base_directory: string
  raw: string
  changes: string
  actor: string
  wall_ms: number
}
const versionView = (row: VersionRow): ConfigVersionView => ({
  version: row.version,
  hash: row.hash,
  file: row.file,
  baseDirectory: row.base_directory,
  raw: row.raw,
  changes: JSON.parse(row.changes) as string[],
  actor: row.actor,
  wallMs: row.wall_ms,
})

type AccessReads = Pick<Queries, 'tokens' | 'requestBegun' | 'configVersion' | 'configVersions'>

export const accessReads = (session: Asking): AccessReads => ({
  tokens: async () => (await session.all<TokenRow>('SELECT * FROM tokens ORDER BY seq')).map(tokenView),
  requestBegun: async (key) => {
    const row = await session.one<{ request_hash: string; until_ms: number }>(
      'SELECT request_hash, until_ms FROM requests_begun WHERE key = $1',
      key,
    )
    return row && { requestHash: row.request_hash, untilMs: row.until_ms }
  },
  configVersion: async (version) => {
    const row = await session.one<VersionRow>(
      `SELECT version AS seq, * FROM config_versions WHERE $1::bigint IS NULL OR version = $1
       ORDER BY version DESC LIMIT 1`,
      version,
    )
    return row && versionView(row)
  },
  configVersions: async ({ limit, after }) => {
    const before = after === null ? Number.MAX_SAFE_INTEGER : Number(after)
    const rows = await session.all<VersionRow>(
      'SELECT version AS seq, * FROM config_versions WHERE version < $1 ORDER BY version DESC LIMIT $2',
      before,
      limit + 1,
    )
    return page(rows, limit, versionView)
  },
})
