/** What the sitter prints, one JSON line each; the watch writes it into the log. */
import type { FleetLine } from './fleet/fleet.ts'
import { lineText, logLevels, type LogLevel } from './record/record.ts'

/** Exit code of a sitter whose record is lost or refused: the watch starts it again. */
const recordLost = 70

export const logLine = (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
  const number = logLevels[level]
  process.stdout.write(`${lineText({ level: number, time: Date.now(), room: 'sitter', msg: message, ...fields })}\n`)
}

/** What the fleet says, and what agents and hosts print: as one line of its own, whatever stands in it. */
export const fleetLine = ({ wallMs, level, source, agent, cell, message, fields }: FleetLine): void => {
  const room = source === 'fleet' ? 'fleet' : 'agent'
  const about = { ...(agent !== null && { agent }), ...(cell !== null && { cell }) }
  const rest = { ...(source !== room && { source }), ...(fields !== undefined && { fields }) }
  const line = { level: logLevels[level], time: wallMs, room, ...about, msg: message, ...rest }
  process.stdout.write(`${lineText(line)}\n`)
}

/** The record is not to be trusted any more: say why, and end at once without writing another byte. */
export const failStop = (error: unknown): never => {
  logLine('error', `fail-stop: ${error instanceof Error ? error.message : String(error)}`, {
    stack: error instanceof Error ? error.stack : undefined,
    cause: error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined,
  })
  return process.exit(recordLost)
}

export const logFull = (sinceMs: number | null): void =>
  sinceMs === null
    ? logLine('info', 'the disk has room again: writes are taken')
    : logLine('error', 'the disk of the record is full: writes are refused until there is room')

export const logFault = (error: unknown): void =>
  logLine('error', error instanceof Error ? error.message : String(error), {
    stack: error instanceof Error ? error.stack : undefined,
  })

export const reloadTold = { said: (what: string) => logLine('info', `reloaded: ${what}`), failed: logFault }
