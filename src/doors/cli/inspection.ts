/** What `doctor` asks of the machine. What is tried is taken back; what cannot be told is undefined. */
import type { Ability, AbilityName, Housing } from '../../cell/cell.ts'
import type { AgentType } from '../../config/config.ts'
import type { Disk, PressureReading } from '../../std/std.ts'

/** A service as systemd shows it; undefined is what it did not show. */
export interface ServiceSeen {
  readonly unit: string
  readonly restart: string | undefined
  readonly killMode: string | undefined
  /** Who may tell that it lives. */
  readonly notifyAccess: string | undefined
  /** `0` = nobody waits for its signs of life. */
  readonly watchdog: string | undefined
}

/** As whom a gate runs. */
export interface GateUserSeen {
  readonly uid: number | null
  readonly own: boolean
  readonly hidden: boolean | null
  readonly why: string | null
}

export interface Inspection {
  readonly nodeVersion: string
  readonly platform: string
  /** Undefined where there are no user ids. */
  readonly uid: number | undefined
  /** As whom a gate would run that is started here now. */
  gateUser(swarm: string): GateUserSeen
  /** Where the vault's key of a swarm may lie, in the order in which it is looked for. */
  keyPlaces(swarm: string): readonly string[]
  /** The path by which a cell of this kind runs a program; undefined when there is none that it may run. */
  program(name: string, kind: AgentType['cell']['kind'], ownUser: boolean): Promise<string | undefined>
  /** What a running sitter of this data directory found that it can, else what is found by trying now. */
  machine(
    disk: Disk,
    dataDirectory: string,
    isRunning: boolean,
  ): Promise<{
    readonly abilities: Readonly<Record<AbilityName, Ability>>
    housing(type: AgentType): Housing
  }>
  /** The most descriptors that a process may have here. */
  openFilesMost(): Promise<number | undefined>
  /** What the host is short of now. */
  pressure(): PressureReading
  space(path: string): Promise<{ readonly freeBytes: number; readonly freeFiles: number } | undefined>
  /** Permission bits and owner. */
  mode(path: string): Promise<{ readonly mode: number; readonly uid: number } | undefined>
  /** Undefined when the address cannot be bound for another reason than that somebody listens. */
  portFree(host: string, port: number): Promise<boolean | undefined>
  bootId(): Promise<string | undefined>
  /** Whether something keeps the clock right. */
  clockSynchronised(): Promise<boolean | undefined>
  /** The service of systemd in which this process (else this one) runs; undefined when it runs in none. */
  service(pid: number | undefined): Promise<ServiceSeen | undefined>
  /** Whether all of this is a container's: what is around it cannot be seen. */
  inContainer(): Promise<boolean>
  /** Programs and cells of a data directory that live without a sitter above them. */
  leftovers(dataDirectory: string): Promise<readonly { readonly pid: number; readonly command: string }[] | undefined>
}
