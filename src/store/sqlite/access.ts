/** SQL of access and change: tokens, writes that began, configuration versions; and their reads. */
import type { ConfigAdd, RequestBegin, RequestForget, TokenCreate, TokenRevoke, TokenUsed } from '../commands/access.ts'
import type { Result } from '../commands/result.ts'
import type { ConfigVersionView, TokenView } from '../queries.ts'
import type { Reads } from './answers.ts'
import { page } from './read-work.ts'
import { done, refuse, type Session } from './session.ts'

/** How long a revoked token is still listed; the audit names it for ever. */
const listedMs = 30 * 86_400_000

export const tokenCreate = (session: Session, { token, actor, wallMs }: TokenCreate['with']): Result<null> => {
  session.run('DELETE FROM tokens WHERE revoked_ms < ?', wallMs - listedMs)
  if (session.one('SELECT 1 FROM tokens WHERE name = ? AND revoked_ms IS NULL', token.name))
    return refuse('exists', `there is a token named ${token.name} that is not revoked`)
  session.run(
    'INSERT INTO tokens (id, name, role, hash, actor, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)',
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

export const tokenRevoke = (session: Session, { id, wallMs }: TokenRevoke['with']): Result<null> => {
  if (session.run('UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL', wallMs, id) > 0)
    return done(null)
  return session.one('SELECT 1 FROM tokens WHERE id = ?', id)
    ? refuse('illegal', `token ${id} was revoked before`)
    : refuse('not-found', `there is no token ${id}`)
}

export const tokenUsed = (session: Session, { id, wallMs }: TokenUsed['with']): Result<null> => {
  session.run('UPDATE tokens SET used_ms = ?1 WHERE id = ?2 AND (used_ms IS NULL OR used_ms < ?1)', wallMs, id)
  return done(null)
}

export const requestBegin = (session: Session, asked: RequestBegin['with']): Result<null> => {
  const { key, requestHash, untilMs, wallMs } = asked
  session.run('DELETE FROM requests WHERE until_ms < ?', wallMs)
  session.run('DELETE FROM requests_begun WHERE until_ms < ?', wallMs)
  const there = session.one<{ request_hash: string }>(
    'SELECT request_hash FROM requests WHERE key = ?1 UNION ALL SELECT request_hash FROM requests_begun WHERE key = ?1',
    key,
  )
  if (there) return refuse(there.request_hash === requestHash ? 'exists' : 'exists-with-different', key)
  session.run('INSERT INTO requests_begun (key, request_hash, until_ms) VALUES (?, ?, ?)', key, requestHash, untilMs)
  return done(null)
}

export const requestForget = (session: Session, { key, requestHash }: RequestForget['with']): Result<null> => {
  session.run('DELETE FROM requests_begun WHERE key = ? AND request_hash = ?', key, requestHash)
  return done(null)
}

export const configAdd = (
  session: Session,
  { version: added, actor, wallMs }: ConfigAdd['with'],
): Result<{ version: number }> => {
  const newest = session.one<{ version: number; hash: string }>(
    'SELECT version, hash FROM config_versions ORDER BY version DESC LIMIT 1',
  )
  if (newest?.hash === added.hash) return refuse('exists', `version ${newest.version} is the same`)
  const version = (newest?.version ?? 0) + 1
  session.run(
    'INSERT INTO config_versions (version, hash, file, base_directory, raw, changes, actor, wall_ms) ' +
      'VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
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

type AccessReads = Pick<Reads, 'tokens' | 'requestBegun' | 'configVersion' | 'configVersions'>

export const accessReads = (session: Session): AccessReads => ({
  tokens: () => session.all<TokenRow>('SELECT * FROM tokens ORDER BY seq').map(tokenView),
  requestBegun: (key) => {
    const row = session.one<{ request_hash: string; until_ms: number }>(
      'SELECT request_hash, until_ms FROM requests_begun WHERE key = ?',
      key,
    )
    return row && { requestHash: row.request_hash, untilMs: row.until_ms }
  },
  configVersion: (version) => {
    const row = session.one<VersionRow>(
      'SELECT version AS seq, * FROM config_versions WHERE ?1 IS NULL OR version = ?1 ORDER BY version DESC LIMIT 1',
      version,
    )
    return row && versionView(row)
  },
  configVersions: ({ limit, after }) => {
    const before = after === null ? Number.MAX_SAFE_INTEGER : Number(after)
    const rows = session.all<VersionRow>(
      'SELECT version AS seq, * FROM config_versions WHERE version < ? ORDER BY version DESC LIMIT ?',
      before,
      limit + 1,
    )
    return page(rows, limit, versionView)
  },
})
