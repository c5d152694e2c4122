/** What `doctor` asks of the machine. What is tried is taken back; what cannot be told is undefined. */
import type { Ability, AbilityName, Housing } from '../../cell/cell.ts'
import type { AgentType } from '../../config/config.ts'
import type { Disk, PressureReading } from '../../std/std.ts'

export interface Inspection {
  readonly nodeVersion: string
  readonly platform: string
  /** Undefined where there are no user ids. */
  readonly uid: number | undefined
  /** Where the vault's key of a swarm may lie, in the order in which it is looked for. */
  keyPlaces(swarm: string): readonly string[]
  /** The path by which a cell of this kind runs a program; undefined when there is none that it may run. */
  program(name: string, kind: AgentType['cell']['kind']): Promise<string | undefined>
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
  /** Whether a service of the system would start what died. */
  readonly underSystemd: boolean
  /** Programs and cells of a data directory that live without a sitter above them. */
  leftovers(dataDirectory: string): Promise<readonly { readonly pid: number; readonly command: string }[] | undefined>
}
