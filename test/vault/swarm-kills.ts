/**
 * A whole swarm on OAuth tokens of five seconds, whose gate and sitter are killed, with answers of the token server
 * lost. What came of it is judged by the servers' own logs: no call was refused, no refresh token was used twice, and
 * each call that was seen has its use in the audit log, each use its call or its kill.
 */
import { DatabaseSync } from 'node:sqlite'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { between, seeded, type Random } from '../../src/std/std.ts'
import { sealTo } from '../../src/wire/seal.ts'
import { kill, programOf } from '../crash/machine.ts'
import { Swarm } from '../live/swarm.ts'
import { tamperWithUses } from './tampered-uses.ts'
import { openOauthServer, type OauthServer } from './oauth/server.ts'

export interface SwarmLoad {
  readonly agents: number
  readonly kills: number
  /** How long they call. */
  readonly ms: number
  /** Of each agent, from one call to the next. */
  readonly pauseMs: number
  readonly seed: number
}

const callsOfTask = 2
/** Killed again and again they would rest, as they should, and that is not what is looked at. */
const restart = { max: 1_000, within: '1h', base: '100ms', cap: '1s' }

const configOf = (server: OauthServer, agents: number): object => ({
  name: 'tokens',
  agents: {
    caller: {
      run: { module: join(import.meta.dirname, 'caller.ts') },
      count: agents,
      cell: 'pool',
      restart,
      upstreams: ['bank'],
    },
  },
  tasks: { call: { agent: 'caller', retry: { max: 50, base: '100ms', cap: '1s' } } },
  upstreams: {
    bank: { url: `http://${server.resource}`, grant: [server.resource], credentials: 'bank', allow: ['GET /v1/**'] },
  },
  credentials: {
    bank: {
      kind: 'oauth',
      oauth: {
        grant: 'refresh-token',
        issuer: server.issuer,
        hosts: [server.host],
        clientId: 'swarm',
        clientSecret: 'swarm-client',
      },
    },
    'swarm-client': { kind: 'bearer' },
  },
  api: { port: 0 },
})

const setSecrets = async (swarm: Swarm, server: OauthServer): Promise<void> => {
  const { sealingKey } = (await swarm.api('credentials')) as { sealingKey: string }
  for (const [name, secret] of [
    ['swarm-client', server.clientSecret],
    ['bank', await server.newRefreshToken()],
  ] as const)
    await swarm.api('credentials', { name, sealed: sealTo(sealingKey, secret) })
}

const together = 1_000

const submit = async (swarm: Swarm, count: number, payload: object): Promise<void> => {
  const { url } = JSON.parse(readFileSync(join(swarm.data, 'run', 'api.json'), 'utf8')) as { url: string }
  const token = readFileSync(join(swarm.data, 'run', 'operator.token'), 'utf8').trim()
  for (let from = 0; from < count; from += together) {
    const answer = await fetch(`${url}/api/v1/tasks:batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: `${JSON.stringify({ type: 'call', payload })}\n`.repeat(Math.min(together, count - from)),
    })
    const said = await answer.text()
    if (!answer.ok || !said.includes('"end":true')) throw new Error(`the tasks were not taken: ${said.slice(-300)}`)
  }
}

/** Kills one of the two after the other, each when it is there and has had time to be of use. */
const killAtRandom = async (
  swarm: Swarm,
  server: OauthServer,
  { kills, ms, random }: { readonly kills: number; readonly ms: number; readonly random: Random },
): Promise<number> => {
  let killed = 0
  for (let count = 0; count < kills; count += 1) {
    await rest(between(random, 0.6 * (ms / kills), 1.4 * (ms / kills)))
    server.lose(1)
    const victim = await swarm.until(
      'its program',
      async () => programOf(count % 2 === 0 ? 'gate' : 'sitter', swarm.data),
      60_000,
    )
    if (kill(victim)) killed += 1
  }
  return killed
}

interface Row {
  readonly journal: number
  readonly agent: string | null
  readonly upstream: string
  readonly path: string
  readonly credential: string
  readonly version: number
  readonly ended: string | null
}
interface UseEntry {
  readonly actor: string
  readonly action: string
  readonly object: string
  readonly decision: string
  readonly facts: { readonly journal: number; readonly upstream: string }
}

const journalOf = (swarm: Swarm): readonly Row[] => {
  const db = new DatabaseSync(join(swarm.data, 'gate', 'gate.db'), { readOnly: true })
  try {
    return db
      .prepare(
        "SELECT journal, agent, upstream, path, credential, version, ended FROM calls WHERE decision = 'allowed' ORDER BY journal",
      )
      .all() as unknown as Row[]
  } finally {
    db.close()
  }
}
const usesOf = async (swarm: Swarm): Promise<readonly UseEntry[]> => {
  const { out } = await swarm.run('export', 'audit')
  return out
    .split('\n')
    .filter((line) => line.includes('credential.use'))
    .map((line) => JSON.parse((JSON.parse(line) as { entry: string }).entry) as UseEntry)
    .filter(({ action, decision }) => action === 'credential.use' && decision === 'allowed')
}

/** The uses up to a number of the journal, when all of them are in the audit log. */
const auditedUpTo = (swarm: Swarm, last: number): Promise<readonly UseEntry[]> =>
  swarm.until(
    `that use ${last} is audited`,
    async () => {
      const uses = await usesOf(swarm)
      return uses.some(({ facts }) => facts.journal >= last) && uses.filter(({ facts }) => facts.journal <= last)
    },
    120_000,
  )

/** What does not fit between the upstream's own log, the journal, and the audit log. */
export const compareUses = (
  seen: readonly string[],
  rows: readonly Row[],
  uses: readonly UseEntry[],
): readonly string[] => {
  const wrong: string[] = []
  const byJournal = new Map(rows.map((row) => [row.journal, row]))
  const audited = new Set<number>()
  for (const { actor, object, facts } of uses) {
    const row = byJournal.get(facts.journal)
    const is =
      row && `${row.agent === null ? 'gate' : `agent:${row.agent}`} ${row.credential}@${row.version} ${row.upstream}`
    if (is !== `${actor} ${object} ${facts.upstream}`)
      wrong.push(`the use ${facts.journal} is by ${actor} of ${object}, in the journal ${is}`)
    if (audited.has(facts.journal)) wrong.push(`the use ${facts.journal} is audited twice`)
    audited.add(facts.journal)
  }
  for (const { journal } of rows) if (!audited.has(journal)) wrong.push(`the use ${journal} is not audited`)
  const calls = new Map<string, number>()
  for (const path of seen) calls.set(path, (calls.get(path) ?? 0) + 1)
  const mayBeUnseen = ({ ended }: Row): boolean => ended === 'lost' || ended === 'not-sent'
  // A read that was cut is asked once more by the same path: what was seen is first of all what was answered.
  const calling = rows
    .filter(({ upstream }) => upstream === 'bank')
    .toSorted((one, other) => Number(mayBeUnseen(one)) - Number(mayBeUnseen(other)))
  for (const row of calling) {
    const left = calls.get(row.path) ?? 0
    if (left > 0) calls.set(row.path, left - 1)
    else if (!mayBeUnseen(row)) wrong.push(`the use ${row.journal} (${row.ended}) has no call at the upstream`)
    if (!row.path.includes(`/${row.agent?.replace('/', '-')}/`))
      wrong.push(`the use ${row.journal} is told of ${row.agent}, and was of ${row.path}`)
  }
  for (const [path, count] of calls)
    if (count > 0) wrong.push(`the upstream saw ${path} ${count} times more than it was audited`)
  return wrong
}

/** Each token request shows two secrets: of the grant and of its client. It came between two looks at their number. */
const compareTokens = ([before, after]: readonly [number, number], rows: readonly Row[]): readonly string[] => {
  const own = rows.filter(({ upstream }) => upstream.startsWith('token:'))
  const answered = own.filter(({ ended }) => ended === 'answered').length
  return answered <= 2 * after && 2 * before <= own.length
    ? []
    : [`${before} to ${after} token requests came, with ${own.length} uses of which ${answered} were answered`]
}

/** What went wrong, each in a sentence; empty = nothing. */
export const killSwarm = async ({ agents, kills, ms, pauseMs, seed }: SwarmLoad): Promise<readonly string[]> => {
  const server = await openOauthServer(5, '')
  let swarm: Swarm | undefined
  try {
    const one = await Swarm.start(configOf(server, agents))
    swarm = one
    await setSecrets(one, server)
    const count = Math.ceil((agents * ms) / (callsOfTask * pauseMs))
    await submit(one, count, { times: callsOfTask, pauseMs })
    const killed = await killAtRandom(one, server, { kills, ms, random: seeded(seed) })
    const ended = await one.until(
      'the end of all tasks',
      async () => {
        const { work } = (await one.api('swarm')) as { work: { byType: { call: Record<string, number> } } }
        const { succeeded = 0, dead = 0 } = work.byType.call
        return succeeded + dead === count && { succeeded, dead }
      },
      4 * ms + 120_000,
    )
    const before = server.figures().tokenRequests
    const rows = journalOf(one)
    const { refused, reused, most, tokenRequests } = server.figures()
    const uses = await auditedUpTo(one, rows.at(-1)?.journal ?? 0)
    const verified = await one.run('audit', 'verify')
    const extra = rows.filter(({ upstream }) => upstream === 'bank').length - server.seen.length
    console.log(
      `  ${count} tasks, ${server.seen.length} calls at the upstream, ${uses.length} audited uses (${extra} of calls ` +
        `that did not arrive), ${tokenRequests} token requests, ${killed} kills`,
    )
    return [
      ...(killed === kills ? [] : [`only ${killed} kills were made`]),
      ...(ended.dead === 0
        ? []
        : [
            `${ended.dead} tasks failed: ${JSON.stringify((await one.api('dead-letters?limit=1')).items).slice(0, 600)}`,
          ]),
      ...(refused === 0 ? [] : [`the resource refused ${refused} calls`]),
      ...(reused === 0 ? [] : [`${reused} refresh tokens were used again after their grace`]),
      ...(most <= 1 ? [] : [`${most} token requests were under way at once`]),
      ...(verified.code === 0 ? [] : [`audit verify ended with ${verified.code}: ${verified.err}`]),
      ...(await tamperWithUses(one)),
      ...compareUses(server.seen, rows, uses),
      ...compareTokens([before, tokenRequests], rows),
    ]
  } finally {
    await swarm?.stop()
    await server.close()
  }
}
