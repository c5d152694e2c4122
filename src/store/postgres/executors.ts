/** Which function executes which command, and which of them may be sent before the one before has answered. */
import type { Command, CommandKind, CommandOf, ValueOf } from '../commands/commands.ts'
import type { Result } from '../commands/result.ts'
import { configAdd, requestBegin, requestForget, tokenCreate, tokenRevoke, tokenUsed } from './access.ts'
import { agentsSave, cellEnded, cellStarted, fleetNote, hostBeat, hostOpen } from './fleet.ts'
import {
  incidentAck,
  incidentChange,
  incidentOpen,
  incidentResolve,
  noticeTried,
  silenceEnd,
  silenceSet,
} from './incidents.ts'
import { modeClear, modePut } from './modes.ts'
import {
  batchOpen,
  intentClose,
  intentsNone,
  intentWrite,
  ledgerTransfer,
  settlementMove,
  settlementOpen,
  settlementWait,
} from './money.ts'
import { auditAppend, eventsAdd, requestRemember } from './record.ts'
import type { Session } from './session.ts'
import { lockFree, lockRenew, lockTake, statePut } from './state.ts'
import { deadDiscard, deadRedrive, taskEdit } from './work-dead.ts'
import { attemptOpen, attemptsFinish, attemptsRecover } from './work-finish.ts'
import { taskMove, tasksDue, tasksExpire, tasksHold, tasksOpen } from './work-move.ts'
import { tasksClaim } from './work-ready.ts'
import { tasksSubmit } from './work-submit.ts'

type Executors = {
  readonly [Kind in CommandKind]: (
    session: Session,
    asked: CommandOf<Kind>['with'],
  ) => Promise<Result<ValueOf<CommandOf<Kind>>>>
}

const executors: Executors = {
  'host.open': hostOpen,
  'host.beat': hostBeat,
  'cell.started': cellStarted,
  'cell.ended': cellEnded,
  'agents.save': agentsSave,
  'fleet.note': fleetNote,
  'tasks.submit': tasksSubmit,
  'tasks.claim': tasksClaim,
  'attempts.finish': attemptsFinish,
  'attempt.open': attemptOpen,
  'attempts.recover': attemptsRecover,
  'tasks.due': tasksDue,
  'tasks.hold': tasksHold,
  'tasks.open': tasksOpen,
  'tasks.expire': tasksExpire,
  'task.move': taskMove,
  'task.edit': taskEdit,
  'dead.redrive': deadRedrive,
  'dead.discard': deadDiscard,
  'state.put': statePut,
  'lock.take': lockTake,
  'lock.renew': lockRenew,
  'lock.free': lockFree,
  'settlement.open': settlementOpen,
  'settlement.move': settlementMove,
  'settlement.wait': settlementWait,
  'intent.write': intentWrite,
  'intents.none': intentsNone,
  'intent.close': intentClose,
  'ledger.transfer': ledgerTransfer,
  'batch.open': batchOpen,
  'events.add': eventsAdd,
  'audit.append': auditAppend,
  'request.remember': requestRemember,
  'request.begin': requestBegin,
  'request.forget': requestForget,
  'incident.open': incidentOpen,
  'incident.change': incidentChange,
  'incident.resolve': incidentResolve,
  'incident.ack': incidentAck,
  'silence.set': silenceSet,
  'silence.end': silenceEnd,
  'notice.tried': noticeTried,
  'token.create': tokenCreate,
  'token.revoke': tokenRevoke,
  'token.used': tokenUsed,
  'config.add': configAdd,
  'mode.put': modePut,
  'mode.clear': modeClear,
}

/**
 * Commands whose whole effect is one statement, sent before the function first waits: they keep their order on the
 * wire, whoever has answered. All others run alone.
 */
const swift: ReadonlySet<CommandKind> = new Set<CommandKind>([
  'cell.started',
  'cell.ended',
  'agents.save',
  'settlement.open',
  'settlement.move',
  'settlement.wait',
  'intent.write',
  'intents.none',
  'attempt.open',
  'intent.close',
  'ledger.transfer',
  'batch.open',
  'events.add',
  'audit.append',
])

export const isSwift = (command: Command): boolean =>
  swift.has(command.kind) || (command.kind === 'task.move' && command.with.event.event === 'wake')

export const execute = (session: Session, command: Command): Promise<Result<unknown>> =>
  (executors[command.kind] as (session: Session, asked: unknown) => Promise<Result<unknown>>)(session, command.with)
