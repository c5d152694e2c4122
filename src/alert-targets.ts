/** How people are told of incidents: targets by webhook and command, as the configuration has them. */
import { resolve } from 'node:path'
import type { AlertTarget, SwarmConfig } from './config/config.ts'
import type { Notice, Target } from './record/record.ts'
import { Failure, type Clock, type Outside, type Proc } from './std/std.ts'

const sendWithinMs = 10_000
const runWithinMs = 30_000

const webhook = (outside: Outside, url: string, name: string, least: Target['least']): Target => ({
  name,
  least,
  send: async (notice) => {
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'swarmsitter',
      // One that became worse is another notice, also to whoever drops repetitions.
      'idempotency-key': `${notice.incident}-${notice.status}-${notice.severity}`,
    }
    const ask = { method: 'POST', url, headers, body: JSON.stringify(notice), withinMs: sendWithinMs } as const
    const { status, retryAfterMs } = await outside.ask(ask)
    if (status >= 200 && status < 300) return
    throw new Failure('upstream-unreachable', `it answered ${status}`, {
      ...(retryAfterMs !== null && { retryAfterMs }),
    })
  },
})

type Passed = Readonly<Record<string, string | undefined>>

/** What a command is told beside the document on its stdin, for a script of three lines. */
const environmentOf = ({ status, severity, key, title, incident }: Notice, own: Passed): Record<string, string> => ({
  PATH: own['PATH'] ?? '/usr/bin:/bin',
  ...(own['HOME'] !== undefined && { HOME: own['HOME'] }),
  ...(own['LANG'] !== undefined && { LANG: own['LANG'] }),
  SITTER_ALERT_STATUS: status,
  SITTER_ALERT_SEVERITY: severity,
  SITTER_ALERT_KEY: key,
  SITTER_ALERT_TITLE: title,
  SITTER_ALERT_INCIDENT: incident,
})

interface Machine {
  readonly clock: Clock
  readonly proc: Proc
  readonly outside: Outside
  readonly environment: Passed
}

const command = ({ proc, clock, environment }: Machine, target: AlertTarget, name: string): Target => ({
  name,
  least: target.least,
  send: async (notice) => {
    const [program = '', ...args] = target.command ?? []
    let said = ''
    const child = await proc.spawn({
      command: program.includes('/') ? resolve(target.directory, program) : program,
      args,
      env: environmentOf(notice, environment),
      cwd: target.directory,
      ownGroup: true,
      dieWithParent: true,
      onLine: (_stream, line) => {
        said = line
      },
      input: JSON.stringify(notice),
    })
    let late = false
    const cancel = clock.timer(runWithinMs, () => {
      late = true
      child.killGroup('SIGKILL')
    })
    const { code, signal } = await child.ended
    cancel()
    // What it left running would pile up with every alert.
    child.killGroup('SIGKILL')
    if (code === 0) return
    const how = late ? `did not end within ${runWithinMs / 1_000} s` : `ended with ${signal ?? `exit code ${code}`}`
    throw new Failure('upstream-unreachable', `it ${how}${said === '' ? '' : `, and said: ${said.slice(0, 200)}`}`)
  },
})

const nameOf = ({ webhook: url, command: words }: AlertTarget): string =>
  url === undefined ? `command ${words?.[0]?.slice(0, 80)}` : `webhook ${URL.parse(url)?.host}`

/** The targets of the configuration that holds when it is asked. */
export const targetsOf = (config: Pick<SwarmConfig, 'alerts'>, machine: Machine): (() => readonly Target[]) => {
  let made: { readonly of: SwarmConfig['alerts']; readonly targets: readonly Target[] } | undefined
  return () => {
    if (made?.of === config.alerts) return made.targets
    const used = new Map<string, number>()
    const targets = config.alerts.to.map((target) => {
      const plain = nameOf(target)
      const count = (used.get(plain) ?? 0) + 1
      used.set(plain, count)
      const name = count === 1 ? plain : `${plain} (${count})`
      return target.webhook === undefined
        ? command(machine, target, name)
        : webhook(machine.outside, target.webhook, name, target.least)
    })
    made = { of: config.alerts, targets }
    return targets
  }
}
