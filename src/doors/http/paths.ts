/**
 * What each path is for, who may use it, and what it takes: the table beside the list of routes. A route without a row
 * is the admin's alone, and a test names it. Roles are no ladder: an auditor sees what an operator does not, and an
 * approver pays without running anything.
 */
import type { z } from 'zod'
import type { Role } from '../../record/record.ts'
import type { Route } from './route.ts'
import { nothing } from './body.ts'
import { redriveBody, retryBody, taskBody } from './task-body.ts'
import { applyBody, candidateBody, rollbackBody } from './routes/config.ts'
import { orderBody, restartBody } from './routes/agents.ts'
import { backupBody, credentialBody, rekeyBody, renewBody as renewCredentialBody, revokeBody } from './routes/gate.ts'
import { reasonBody, resolveBody } from './routes/money.ts'
import { drillBody, drillEndBody } from './routes/drills.ts'
import { modeBody, modeForBody } from './routes/modes.ts'
import { freeBody, renewBody, stateBody, takeBody } from './routes/shared.ts'
import { downBody, freezeBody, thawBody } from './routes/swarm.ts'
import { silenceBody, unsilenceBody } from './routes/incidents.ts'
import { tokenBody } from './routes/tokens.ts'

export interface PathFacts {
  readonly may: readonly Role[]
  /** Narrower for some objects of the path. */
  readonly mayObject?: (role: Role, params: Readonly<Record<string, string>>) => boolean
  /** Those objects: values of the path's last parameter. */
  readonly objects?: readonly string[]
  /** One line for people. */
  readonly says: string
  /** The schema that checks the JSON body, or the media type of another kind of body. */
  readonly takes?: z.ZodType | string
  /** What a good answer is; JSON when absent. */
  readonly gives?: 'list' | 'lines' | 'page' | 'text'
  /** Status of a good answer, 200 when absent. */
  readonly status?: number
}

const everybody: readonly Role[] = ['viewer', 'operator', 'approver', 'auditor', 'admin']
const runners: readonly Role[] = ['operator', 'admin']
const payers: readonly Role[] = ['approver', 'admin']
const examiners: readonly Role[] = ['auditor', 'admin']
/** Whoever may do something at all may say that they are at it. */
const actors: readonly Role[] = ['operator', 'approver', 'admin']
const admins: readonly Role[] = ['admin']

const look = (says: string): PathFacts => ({ may: everybody, says })
const list = (says: string): PathFacts => ({ may: everybody, says, gives: 'list' })
const order = (says: string): PathFacts => ({ may: runners, says, takes: orderBody, status: 202 })
const act = (says: string, status = 200): PathFacts => ({ may: runners, says, takes: nothing, status })

/** Exports of work are the operator's too; money and audit are not. */
const workExports = new Set(['tasks', 'attempts'])
const exportKinds = [...workExports, 'settlements', 'transfers', 'audit']
const mayExport: PathFacts['mayObject'] = (role, { kind }) => role !== 'operator' || workExports.has(kind ?? '')

export const pathFacts: Readonly<Record<string, PathFacts>> = {
  'GET /livez': look('Whether this process lives; looks at nothing.'),
  'GET /healthz': look('As /livez.'),
  'GET /readyz': look('Whether it can do its work; 503 while it cannot.'),
  'GET /openapi.json': look('This document.'),
  'GET /': { ...look('The page.'), gives: 'page' },
  'GET /login': { ...look('The form for a token; with a one-time code, a session.'), gives: 'page' },
  'POST /login': {
    ...look('Opens a session with a token.'),
    takes: 'application/x-www-form-urlencoded',
    gives: 'page',
  },
  'GET /api/v1/swarm': look('The swarm at a glance.'),
  'POST /api/v1/swarm/down': { ...act('Stops the swarm in order.', 202), may: admins, takes: downBody },
  'POST /api/v1/swarm/freeze': {
    may: ['operator', 'approver', 'admin'],
    says: 'Nothing new goes out until it is thawed; calls under way end and are recorded.',
    takes: freezeBody,
  },
  'POST /api/v1/swarm/thaw': { ...act('Ends a freeze.'), takes: thawBody },
  'POST /api/v1/drills': { ...act('Says that a drill begins on a canary, if one may.', 201), takes: drillBody },
  'POST /api/v1/drills/:id/end': { ...act('Says what a drill has found.'), takes: drillEndBody },
  'GET /api/v1/modes': list('Modes that are set, with who set them, why, and how each ends.'),
  'GET /api/v1/modes/recorded': list('Calls that a mode of shadow kept from being sent, oldest first.'),
  'POST /api/v1/modes': { ...act('Sets a mode for the swarm, a type, an agent or a channel.'), takes: modeForBody },
  'POST /api/v1/swarm/mode': { ...act('Sets the mode of the swarm.'), takes: modeBody },
  'POST /api/v1/agents/:type/mode': { ...act('Sets the mode of a type.'), takes: modeBody },
  'POST /api/v1/agents/:type/:number{[0-9]+}/mode': { ...act('Sets the mode of an agent.'), takes: modeBody },
  'POST /api/v1/channels/:name/mode': { ...act('Sets the mode of a channel.'), takes: modeBody },
  'GET /api/v1/inbox': list('What waits for a person.'),
  'GET /api/v1/incidents': list('Incidents, newest first.'),
  'GET /api/v1/incidents/:id': look('An incident with what was sent about it and what happened around it.'),
  'POST /api/v1/incidents/:id/ack': { ...act('Says that somebody has seen it.'), may: actors },
  'POST /api/v1/incidents/:id/resolve': act('Calls an incident over whose condition is gone.'),
  'GET /api/v1/alerts': list('What is wrong now.'),
  'GET /api/v1/alerts/silences': list('What nothing is sent about, and until when.'),
  'POST /api/v1/alerts/silence': { ...act('Sends nothing for a time about what begins so.'), takes: silenceBody },
  'POST /api/v1/alerts/unsilence': { ...act('Ends a silence.'), takes: unsilenceBody },
  'GET /api/v1/agents': list('Agents.'),
  'GET /api/v1/agents/map': look('One letter a state for every agent.'),
  'GET /api/v1/agents/:type': list('Agents of a type.'),
  'GET /api/v1/agents/:type/:number{[0-9]+}': look('An agent with evidence, attempts and time line.'),
  'POST /api/v1/agents/:type/restart': {
    ...act('Restarts all agents of a type, at once or part after part.', 202),
    takes: restartBody,
  },
  'POST /api/v1/agents/:type/release': act('Lets quarantined agents of a type start again.', 202),
  'POST /api/v1/agents/:type/:number{[0-9]+}/restart': act('Restarts an agent.', 202),
  'POST /api/v1/agents/:type/:number{[0-9]+}/release': act('Lets a quarantined agent start again.', 202),
  'POST /api/v1/agents/:type/start': order('Starts stopped agents of a type.'),
  'POST /api/v1/agents/:type/stop': order('Stops agents of a type at once; their attempts are given to others.'),
  'POST /api/v1/agents/:type/pause': order('Pauses agents of a type: what they have in hand is finished.'),
  'POST /api/v1/agents/:type/resume': order('Lets paused agents of a type go on.'),
  'POST /api/v1/agents/:type/quarantine': order('Puts agents of a type into quarantine until they are released.'),
  'POST /api/v1/agents/:type/:number{[0-9]+}/start': order('Starts a stopped agent.'),
  'POST /api/v1/agents/:type/:number{[0-9]+}/stop': order('Stops an agent at once; its attempt is given to another.'),
  'POST /api/v1/agents/:type/:number{[0-9]+}/pause': order('Pauses an agent: what it has in hand is finished.'),
  'POST /api/v1/agents/:type/:number{[0-9]+}/resume': order('Lets a paused agent go on.'),
  'POST /api/v1/agents/:type/:number{[0-9]+}/quarantine': order('Puts an agent into quarantine until it is released.'),
  'GET /api/v1/cells': list('Living cells.'),
  'POST /api/v1/cells/:id/challenge': { may: runners, says: 'Asks a cell which agents it holds.' },
  'GET /api/v1/tasks': list('Tasks.'),
  'POST /api/v1/tasks': { may: runners, says: 'Submits a task.', takes: taskBody, status: 201 },
  'POST /api/v1/tasks:batch': {
    may: runners,
    says: 'Submits tasks, one JSON object a line.',
    takes: 'application/x-ndjson',
    gives: 'lines',
  },
  'GET /api/v1/tasks/:id': look('A task with its attempts.'),
  'GET /api/v1/attempts/:id': look('One try at a task.'),
  'POST /api/v1/tasks/:id/cancel': act('Cancels a task that has not ended.'),
  'POST /api/v1/tasks/:id/retry': {
    ...act('Tries a waiting or dead task now, with another payload too.'),
    takes: retryBody,
  },
  'GET /api/v1/dead-letters': list('Dead letters.'),
  'GET /api/v1/dead-letters/:id': look('A dead letter with its attempts.'),
  'POST /api/v1/dead-letters/:id/redrive': act('Gives a dead letter another life.'),
  'POST /api/v1/dead-letters/:id/discard': act('Closes a dead letter for good; its task is cancelled.'),
  'POST /api/v1/dead-letters:redrive': {
    ...act('Gives those dead letters another life that a filter selects, at a rate.'),
    takes: redriveBody,
  },
  'GET /api/v1/state': list('Values that agents and programs share.'),
  'GET /api/v1/state/:name': look('A shared value with its version; version 0 when there is none.'),
  'POST /api/v1/state/:name': { ...act('Writes a shared value over the version that was read.'), takes: stateBody },
  'GET /api/v1/locks': list('Locks with holder, fence and time left.'),
  'POST /api/v1/locks/:name/take': { ...act('Takes a lease on a lock.'), takes: takeBody },
  'POST /api/v1/locks/:name/renew': { ...act('Renews a lease.'), takes: renewBody },
  'POST /api/v1/locks/:name/free': { ...act('Gives a lock back.'), takes: freeBody },
  'GET /api/v1/settlements': list('Payments.'),
  'GET /api/v1/settlements/:id': look('A payment with intents, transfers and time line.'),
  'POST /api/v1/settlements/:id/resolve': {
    may: payers,
    says: 'Says by evidence what became of a payment whose outcome is unknown.',
    takes: resolveBody,
  },
  'POST /api/v1/settlements/:id/hold': {
    may: ['operator', 'approver', 'admin'],
    says: 'Keeps a payment that waits from being sent.',
    takes: reasonBody,
  },
  'POST /api/v1/settlements/:id/release': { may: payers, says: 'Lets a held payment be sent.', takes: reasonBody },
  'POST /api/v1/settlements/:id/cancel': {
    may: payers,
    says: 'Ends a payment that waits or is held: it is never sent.',
    takes: reasonBody,
  },
  'GET /api/v1/batches': list('Payment files.'),
  'POST /api/v1/batches': {
    may: ['operator', 'approver', 'admin'],
    says: 'Takes a payment file whole, or refuses it whole.',
    takes: 'text/csv',
    status: 201,
  },
  'GET /api/v1/batches/:id': look('A payment file with what became of its rows.'),
  'GET /api/v1/ledger/accounts': list('Accounts of the ledger.'),
  'GET /api/v1/ledger/transfers': list('Transfers of the ledger.'),
  'GET /api/v1/ledger/check': look('Folds the ledger and compares it with the settlements.'),
  'GET /api/v1/credentials': {
    may: ['operator', 'auditor', 'admin'],
    says: 'Credentials by name and version; never a secret.',
  },
  'POST /api/v1/credentials': {
    may: admins,
    says: 'Sets a credential, sealed to the key of the gate.',
    takes: credentialBody,
    status: 201,
  },
  'GET /api/v1/credentials/:name': {
    may: ['operator', 'auditor', 'admin'],
    says: 'How a credential renews itself, and its versions; never a secret.',
  },
  'POST /api/v1/credentials/:name/rotate': {
    may: admins,
    says: 'Begins the rotation of a credential now.',
    takes: renewCredentialBody,
    status: 202,
  },
  'POST /api/v1/credentials/:name/compromised': {
    may: admins,
    says: 'Replaces a credential that is in wrong hands, and ends the old one at once.',
    takes: renewCredentialBody,
    status: 202,
  },
  'POST /api/v1/credentials/:name/revoke': {
    may: admins,
    says: 'Says that a version was ended at its provider; never the one in use.',
    takes: revokeBody,
  },
  'POST /api/v1/credentials:rekey': {
    may: admins,
    says: 'Seals all secrets by another key, or by a key of another kind.',
    takes: rekeyBody,
  },
  'POST /api/v1/credentials:backup': {
    may: admins,
    says: 'The secrets in use, as base64 of an age file for a recipient.',
    takes: backupBody,
  },
  'GET /api/v1/upstreams': list('Upstreams with their figures.'),
  'GET /api/v1/upstreams/:name': look('An upstream with its figures.'),
  'GET /api/v1/channels': list('Ways to pay, and what became of the payments through each.'),
  'GET /metrics': { ...look('Figures for Prometheus.'), gives: 'text' },
  'GET /api/v1/metrics': look('The same figures as JSON.'),
  'GET /api/v1/logs': list('Lines of the log.'),
  'GET /api/v1/events': list('What happened; as a stream with Accept: text/event-stream.'),
  'GET /api/v1/audit/entries': {
    may: examiners,
    says: 'Audit entries, by actor, action, object, time or text; one page may be empty and yet not the last.',
    gives: 'list',
  },
  'GET /api/v1/audit/verify': {
    may: examiners,
    says: 'Checks the audit chain from its first entry, and against an anchor (seq and hash of a checkpoint).',
  },
  'GET /api/v1/audit/checkpoint': {
    may: examiners,
    says: 'Number and hash of the newest audit entry, to keep elsewhere.',
  },
  'GET /api/v1/export/:kind': {
    may: ['operator', 'auditor', 'admin'],
    mayObject: mayExport,
    objects: exportKinds,
    says: 'Everything of a kind: tasks, attempts, settlements, transfers, audit.',
    gives: 'lines',
  },
  'GET /api/v1/tokens': { may: examiners, says: 'Tokens by name and role; never a value.', gives: 'list' },
  'GET /api/v1/tokens/self': look('Whose token this is, its role, and what is not for every role.'),
  'POST /api/v1/tokens': {
    may: admins,
    says: 'Makes a token; the answer is the only place where its value ever stands.',
    takes: tokenBody,
    status: 201,
  },
  'POST /api/v1/tokens/:id/revoke': { ...act('Ends a token, by id or name.'), may: admins },
  'GET /api/v1/config/current': { may: ['operator', 'auditor', 'admin'], says: 'The configuration that runs.' },
  'GET /api/v1/config/versions': {
    may: ['operator', 'auditor', 'admin'],
    says: 'Versions of the configuration with actor and changes, newest first.',
    gives: 'list',
  },
  'GET /api/v1/config/versions/:version{[0-9]+}': {
    may: ['operator', 'auditor', 'admin'],
    says: 'One version of the configuration, whole.',
  },
  'GET /api/v1/config/diff': {
    may: ['operator', 'auditor', 'admin'],
    says: 'What changed between two versions.',
  },
  'POST /api/v1/config/validate': {
    ...act('Checks a configuration, and says what applying it would do.'),
    takes: candidateBody,
  },
  'POST /api/v1/config/apply': {
    ...act('Applies a configuration, live where it can be (200), else with a restart of the sitter (202).'),
    may: admins,
    takes: applyBody,
  },
  'POST /api/v1/config/rollback': {
    ...act('Applies an older version again, as apply does.'),
    may: admins,
    takes: rollbackBody,
  },
}

const nobodyElse: PathFacts = { may: admins, says: 'Not described yet.' }

export const factsOf = ({ method, path }: Pick<Route, 'method' | 'path'>): PathFacts =>
  Object.hasOwn(pathFacts, `${method} ${path}`) ? pathFacts[`${method} ${path}`]! : nobodyElse

/** Whether a role may do this to this object. */
export const mayUse = (
  role: Role,
  route: Pick<Route, 'method' | 'path'>,
  params: Readonly<Record<string, string>>,
): boolean => {
  const { may, mayObject } = factsOf(route)
  return may.includes(role) && (mayObject === undefined || mayObject(role, params))
}

/** Roles that may use each path that is not for all of them; a path with objects stands once for each object. */
export const restrictedPaths = (): Readonly<Record<string, readonly Role[]>> =>
  Object.fromEntries(
    Object.entries(pathFacts).flatMap(([path, { may, mayObject, objects = [] }]) => {
      const parameter = /:([a-z]+)$/.exec(path)?.[1]
      const each: [string, readonly Role[]][] = objects.map((object) => [
        path.replace(/:[a-z]+$/, object),
        may.filter((role) => mayObject?.(role, { [parameter!]: object }) !== false),
      ])
      return [[path, may] as const, ...each].filter(([, roles]) => roles.length < everybody.length)
    }),
  )
