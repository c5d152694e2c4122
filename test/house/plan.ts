/**
 * The plan of the house as data: which room may import which, what no process may reach, where the world may be
 * touched, and the sizes. To change a row, write a decision note first (docs/decisions/).
 */

/**
 * What a room imports beside std and model. `types` are rooms of which it may import types only, through `import type`.
 */
export interface Row {
  readonly floor: number
  readonly imports: readonly string[]
  readonly types?: readonly string[]
}

const inSitter = [
  'wire',
  'store',
  'config',
  'record',
  'bus',
  'gatelink',
  'agent',
  'cell',
  'fleet',
  'work',
  'schedule',
  'settle',
]
const upstairs = [
  'config',
  'record',
  'bus',
  'gatelink',
  'agent',
  'cell',
  'fleet',
  'work',
  'schedule',
  'settle',
  'rehearsal',
  'drill',
]
const assemblies = ['sitter.ts', 'gate.ts', 'watch.ts']
/** Pieces of the assemblies that more than one of them uses; they lie beside them. */
const pieces = ['places.ts', 'private-line.ts', 'watch.ts', 'watch-note.ts', 'watch-service.ts', 'heir.ts']

/** What the sitter's assembly is too large to hold itself. */
const ofSitter = [
  'sitter-log.ts',
  'sitter-rooms.ts',
  'alerting.ts',
  'alert-targets.ts',
  'renewing.ts',
  'spending.ts',
  'live-config.ts',
  'progress.ts',
  'recovery.ts',
  'timekeeping.ts',
]

/** What of the gate's assembly looks at the machine itself. */
const ofGate = ['gate-outside.ts', 'gate-user.ts', 'gate-hands.ts', 'porter.ts']

/** An allow-list: a room that is not here may not exist, an import that is not here is refused. */
export const rows: Readonly<Record<string, Row>> = {
  std: { floor: 0, imports: [] },
  model: { floor: 1, imports: [] },
  wire: { floor: 2, imports: [] },
  store: { floor: 2, imports: [] },
  agent: { floor: 3, imports: ['wire'] },
  config: { floor: 3, imports: ['store'] },
  record: { floor: 3, imports: ['store'] },
  bus: { floor: 3, imports: ['store'] },
  gatelink: { floor: 3, imports: ['wire', 'store'] },
  vault: { floor: 4, imports: ['store'] },
  limit: { floor: 4, imports: ['store'] },
  gateway: { floor: 5, imports: ['vault', 'limit', 'wire'] },
  // The pool's host is the process in which the SDK runs; a closure below keeps everything else out of it.
  cell: { floor: 5, imports: ['wire', 'store', 'agent'] },
  fleet: { floor: 6, imports: ['cell', 'wire', 'bus', 'gatelink', 'store', 'record'] },
  work: { floor: 7, imports: ['fleet', 'gatelink', 'store', 'record'] },
  schedule: { floor: 8, imports: ['work', 'store', 'record'] },
  settle: { floor: 8, imports: ['work', 'gatelink', 'store', 'record'] },
  rehearsal: { floor: 8, imports: [] },
  // Runs this program and looks at it from outside; its canary is an agent (decision 0025).
  drill: { floor: 8, imports: ['agent'] },
  'sitter-log.ts': { floor: 9, imports: ['fleet', 'record'] },
  'sitter-rooms.ts': { floor: 9, imports: [...inSitter, ...pieces, ...ofSitter] },
  'sitter.ts': { floor: 9, imports: [...inSitter, ...pieces, ...ofSitter, 'not-built.ts', 'rehearsal', 'doors'] },
  'gate.ts': { floor: 9, imports: [...ofGate, 'store', 'vault', 'gateway', 'wire'] },
  'gate-process.ts': { floor: 9, imports: [...pieces, ...ofGate, 'gate.ts', 'config'], types: ['gateway', 'vault'] },
  'gate-outside.ts': { floor: 9, imports: [], types: ['vault'] },
  'gate-user.ts': { floor: 9, imports: [] },
  'gate-hands.ts': { floor: 9, imports: ['heir.ts', ...ofGate], types: ['gateway', 'vault'] },
  'porter.ts': { floor: 9, imports: [], types: ['gateway', 'vault'] },
  'porter-rules.ts': { floor: 9, imports: ['places.ts', 'porter.ts'], types: ['vault'] },
  // Root's, for the gate (decision 0033): it takes types of the gate's rooms, and loads none of them.
  'porter-process.ts': {
    floor: 9,
    imports: ['heir.ts', 'places.ts', 'gate-outside.ts', 'porter.ts', 'porter-rules.ts', 'config'],
    types: ['vault'],
  },
  'watch.ts': { floor: 9, imports: ['watch-life.ts'] },
  'watch-life.ts': { floor: 9, imports: [] },
  'watch-service.ts': { floor: 9, imports: ['watch.ts'] },
  'watch-note.ts': { floor: 9, imports: ['watch.ts'] },
  'places.ts': { floor: 9, imports: [] },
  'private-line.ts': { floor: 9, imports: [] },
  'live-config.ts': { floor: 9, imports: [...pieces, 'store', 'config', 'gatelink', 'cell', 'fleet'] },
  'alerting.ts': {
    floor: 9,
    imports: ['renewing.ts', 'spending.ts', 'store', 'record', 'config', 'gatelink', 'fleet'],
  },
  'alert-targets.ts': { floor: 9, imports: ['record', 'config'] },
  'renewing.ts': { floor: 9, imports: ['store', 'record', 'gatelink'] },
  'spending.ts': { floor: 9, imports: ['record', 'gatelink', 'fleet'] },
  'progress.ts': { floor: 9, imports: ['store'] },
  'timekeeping.ts': { floor: 9, imports: ['store'] },
  'deadman.ts': { floor: 9, imports: [] },
  'heir.ts': { floor: 9, imports: ['passed-on.ts'] },
  'heir-process.ts': { floor: 9, imports: [...pieces, 'launch.ts'] },
  'recovery.ts': { floor: 9, imports: ['store', 'cell'] },
  'not-built.ts': { floor: 9, imports: [] },
  'inspection.ts': { floor: 9, imports: [...pieces, 'gate-user.ts', 'cell', 'doors'] },
  'rehearsal-process.ts': { floor: 9, imports: [...pieces, 'config', 'rehearsal'] },
  'passed-on.ts': { floor: 9, imports: [] },
  'launch.ts': { floor: 9, imports: [...pieces, 'passed-on.ts', 'deadman.ts', 'config', 'gatelink', 'record', 'cell'] },
  'index.ts': { floor: 9, imports: ['config', 'agent'] },
  'main.ts': {
    floor: 9,
    imports: [
      ...assemblies,
      'gate-process.ts',
      'launch.ts',
      'inspection.ts',
      'heir.ts',
      'heir-process.ts',
      'places.ts',
      'rehearsal-process.ts',
      'porter-process.ts',
      'doors',
      'config',
      'rehearsal',
    ],
  },
  // What the doors print is made below F3: they may name its types, and take the values as arguments.
  doors: { floor: 10, imports: [...upstairs, ...assemblies], types: ['store', 'wire'] },
}

/** Files that are entered from another room beside its front door `room/room.ts`, and from where (path prefixes). */
export const sideDoors: Readonly<Record<string, readonly string[]>> = {
  'src/std/real/real.ts': [
    'src/sitter.ts',
    'src/sitter-rooms.ts',
    'src/gate-process.ts',
    'src/gate-hands.ts',
    'src/porter-process.ts',
    'src/watch.ts',
    'src/main.ts',
    'src/launch.ts',
    'src/heir-process.ts',
    'src/inspection.ts',
    'src/rehearsal-process.ts',
    'src/cell/',
    'src/rehearsal/',
  ],
  // Sealing loads cryptography: not behind wire's front door, or every host of agents would load it too (decision 0007).
  'src/wire/seal.ts': ['src/gate.ts', 'src/gatelink/'],
  // Agents wait while a gate starts: it loads nothing of the record.
  'src/store/gate/gate.ts': ['src/gate.ts'],
  // Hashing loads cryptography, which no host of agents needs.
  'src/model/users.ts': ['src/gate-hands.ts', 'src/gate-user.ts', 'src/cell/sandbox/'],
  // Each door is a program of its own kind: the sitter loads no CLI, the CLI no server.
  'src/doors/http/http.ts': ['src/sitter.ts'],
  'src/doors/cli/cli.ts': ['src/main.ts', 'src/inspection.ts'],
}

/** From these files nothing of `never` is reachable by any chain of imports; or only rooms of `only`. */
export interface Closure {
  readonly from: readonly string[]
  readonly never?: readonly string[]
  readonly only?: readonly string[]
}
export const closures: readonly Closure[] = [
  {
    from: ['src/sitter.ts', 'src/sitter-rooms.ts', 'src/watch.ts', 'src/doors/'],
    never: ['vault', 'limit', 'gateway'],
  },
  {
    from: ['src/gate.ts', 'src/gate-process.ts', 'src/porter-process.ts'],
    never: ['cell', 'fleet', 'work', 'schedule', 'settle', 'doors'],
  },
  { from: ['src/agent/'], only: ['std', 'model', 'wire', 'agent'] },
  { from: ['src/cell/pool/host.ts'], only: ['std', 'model', 'wire', 'agent', 'cell'] },
]

/** Where time, chance and the world may be touched directly; everywhere else they are arguments. */
export const worldly = [
  'src/std/real/',
  'src/store/sqlite/',
  'src/store/postgres/',
  'src/config/env.ts',
  'src/cell/',
  'src/rehearsal/',
  'src/drill/',
  'src/sitter.ts',
  'src/sitter-log.ts',
  'src/sitter-rooms.ts',
  'src/gate.ts',
  'src/gate-process.ts',
  'src/gate-outside.ts',
  'src/gate-user.ts',
  'src/gate-hands.ts',
  'src/porter.ts',
  'src/porter-process.ts',
  'src/watch.ts',
  'src/main.ts',
  'src/launch.ts',
  'src/inspection.ts',
  'src/heir.ts',
  'src/heir-process.ts',
  'src/private-line.ts',
  'src/live-config.ts',
  'src/rehearsal-process.ts',
]

/**
 * What people import or start. Every file is reached from here, or from a file that is started as its own process or
 * thread.
 */
export const entries = ['src/main.ts', 'src/index.ts', 'src/agent/agent.ts', 'src/rehearsal/rehearsal.ts']
export const spawned = [
  'src/agent/guest.ts',
  'src/cell/pool/host.ts',
  'src/cell/pool/watchdog.ts',
  'src/cell/process/bridge.ts',
  'src/config/evaluate.ts',
  'src/config/trial.ts',
  'src/drill/canary.ts',
  'src/drill/jump.ts',
  'src/store/gate/writer.ts',
]

/** Rooms that load a user's module, whose name no literal can tell. */
export const loaders = ['cell', 'config']

export const sizes = { fileLines: 400, functionLines: 70, lineLength: 120 } as const

/** Words that name nothing (docs/words.md has the ones that do). */
export const emptyWords = ['manager', 'helper', 'helpers', 'util', 'utils', 'common', 'data', 'info', 'misc', 'impl']
