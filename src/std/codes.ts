/** The registry of error codes: kind, HTTP status and exit code of each. docs/errors.md says what to do about each. */

export type FailureKind = 'transient' | 'permanent' | 'refused' | 'unknown' | 'bug'

export interface CodeFacts {
  readonly kind: FailureKind
  readonly status: number
  readonly exit: number
}

const refused = (status: number, exit: number): CodeFacts => ({ kind: 'refused', status, exit })
const transient = (status: number): CodeFacts => ({ kind: 'transient', status, exit: 75 })

export const codes = {
  bug: { kind: 'bug', status: 500, exit: 1 },
  // asking
  usage: refused(400, 2),
  invalid: refused(422, 2),
  'not-found': refused(404, 3),
  unauthorized: refused(401, 5),
  forbidden: refused(403, 5),
  'too-many-attempts': transient(429),
  'wrong-host': refused(403, 5),
  conflict: refused(409, 6),
  'first-try-unknown': { kind: 'unknown', status: 409, exit: 6 },
  'method-not-allowed': refused(405, 2),
  'too-large': refused(413, 2),
  overloaded: transient(503),
  'no-sitter': { kind: 'transient', status: 503, exit: 69 },
  'timed-out': { kind: 'unknown', status: 504, exit: 124 },
  // starting
  'config-invalid': refused(422, 2),
  'config-unreadable': refused(422, 2),
  'restart-needed': refused(409, 6),
  'already-running': refused(409, 6),
  'port-taken': refused(409, 6),
  'place-taken': refused(409, 6),
  'fresh-refused': refused(403, 5),
  'key-missing': refused(403, 5),
  'key-wrong': refused(403, 5),
  'vault-damaged': refused(500, 1),
  'vault-rolled-back': refused(409, 6),
  'secret-in-clear': refused(422, 2),
  'wrong-node': refused(500, 69),
  // record
  'record-unknown': { kind: 'unknown', status: 503, exit: 1 },
  'record-newer': refused(500, 2),
  'record-closed': transient(503),
  'record-unreachable': transient(503),
  'disk-full': transient(503),
  'audit-broken': { kind: 'permanent', status: 500, exit: 1 },
  'ledger-unbalanced': { kind: 'permanent', status: 500, exit: 1 },
  // agents and cells
  'frame-invalid': refused(400, 2),
  'frame-too-large': refused(413, 2),
  'frame-too-deep': refused(400, 2),
  'frame-flood': refused(429, 75),
  'not-your-agent': refused(403, 5),
  stale: refused(409, 6),
  'unknown-method': refused(404, 3),
  'cell-start': transient(503),
  'cell-refused': refused(503, 69),
  'cell-lost': transient(503),
  'agent-broken': { kind: 'permanent', status: 500, exit: 1 },
  'vm-slice': transient(503),
  'vm-memory': transient(503),
  'vm-crashed': transient(503),
  // work
  'task-exists-with-different': refused(409, 6),
  'unknown-task-type': refused(422, 2),
  'unknown-dependency': refused(422, 2),
  'version-conflict': transient(409),
  'lock-held': transient(409),
  'task-failed': { kind: 'permanent', status: 500, exit: 1 },
  'attempts-spent': { kind: 'permanent', status: 500, exit: 1 },
  // money
  'settlement-exists-with-different': refused(409, 6),
  'amount-invalid': refused(422, 2),
  'payment-invalid': refused(422, 2),
  'file-invalid': refused(422, 2),
  'unknown-channel': refused(422, 2),
  // gate
  'not-allowed': refused(403, 5),
  limited: transient(429),
  'breaker-open': transient(503),
  'mode-forbids': refused(403, 5),
  'intent-required': refused(403, 5),
  'budget-spent': transient(429),
  'credential-unavailable': transient(503),
  'audit-behind': transient(503),
  'upstream-unreachable': transient(503),
  'socket-closed': transient(502),
  'outcome-unknown': { kind: 'unknown', status: 502, exit: 1 },
  frozen: refused(503, 5),
  stopping: transient(503),
  'gate-lost': transient(503),
  'journal-failed': transient(503),
} as const satisfies Record<string, CodeFacts>

export type Code = keyof typeof codes
