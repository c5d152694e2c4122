/**
 * The walls of the house. `checkHouse` is a pure function from a tree of files to what is wrong with it;
 * test/house.test.ts runs it on the sources and, for each rule, on a small tree with one planted fault. The plan
 * (rooms, floors, bounds) is in plan.ts.
 */
import { posix } from 'node:path'
import { closures, emptyWords, entries, loaders, rows, sideDoors, sizes, spawned, worldly } from './plan.ts'
import { readSource, type Import, type Reading } from './reading.ts'

/** Paths relative to the project's folder, with their text: all of `src/`, and `docs/errors.md`. */
export type Tree = ReadonlyMap<string, string>

export interface Violation {
  readonly rule: string
  readonly file: string
  readonly line: number
  readonly message: string
}

/** An import that leads to a file of the house. */
interface Edge extends Import {
  readonly from: string
  readonly to: string
}

interface House {
  readonly tree: Tree
  readonly readings: readonly Reading[]
  readonly edges: readonly Edge[]
  readonly edgesFrom: ReadonlyMap<string, readonly Edge[]>
}

type Rule = (house: House) => Violation[]

/** `settle` of src/settle/port.ts, `gate.ts` of src/gate.ts. */
const roomOf = (path: string): string => path.split('/')[1] ?? ''

const isUnder = (path: string, places: readonly string[]): boolean =>
  places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place))

const edgesOf = (reading: Reading): Edge[] =>
  reading.imports
    .filter((one) => one.specifier.startsWith('.'))
    .map((one) => ({ ...one, from: reading.path, to: posix.join(posix.dirname(reading.path), one.specifier) }))

/** Every file that can be reached from some others, with the file through which it was first reached. */
const reach = (house: House, from: readonly string[]): ReadonlyMap<string, string> => {
  const reached = new Map(from.filter((path) => house.tree.has(path)).map((path) => [path, path]))
  for (const path of reached.keys()) {
    for (const edge of house.edgesFrom.get(path) ?? []) {
      if (!reached.has(edge.to) && house.tree.has(edge.to)) reached.set(edge.to, path)
    }
  }
  return reached
}

const chainTo = (path: string, reached: ReadonlyMap<string, string>): string => {
  const before = reached.get(path)
  return before === undefined || before === path ? path : `${chainTo(before, reached)} → ${path}`
}

const readable: Rule = ({ readings, edges, tree }) => [
  ...readings.flatMap((reading) =>
    reading.errors.map((message) => ({ rule: 'readable', file: reading.path, line: 1, message })),
  ),
  ...edges
    .filter((edge) => !tree.has(edge.to))
    .map((edge) => ({ rule: 'readable', file: edge.from, line: edge.line, message: `${edge.specifier} is no file` })),
]

const floor: Rule = ({ readings, edges }) => [
  ...readings
    .filter((reading) => rows[roomOf(reading.path)] === undefined)
    .map((reading) => ({ rule: 'floor', file: reading.path, line: 1, message: 'this room is not in the plan' })),
  ...readings.flatMap((reading) =>
    reading.imports
      .filter((one) => /^swarmsitter(?:\/|$)/.test(one.specifier))
      .map((one) => ({
        rule: 'floor',
        file: reading.path,
        line: one.line,
        message: 'the house enters its rooms by their files, not by its own package name',
      })),
  ),
  ...edges.flatMap((edge) => {
    const [room, other] = [roomOf(edge.from), roomOf(edge.to)]
    const row = rows[room]
    if (row === undefined || room === other || other === 'std' || (other === 'model' && room !== 'std')) return []
    if (row.imports.includes(other) || (edge.typeOnly && row.types?.includes(other))) return []
    const message = `${room} (F${row.floor}) may not import ${other}${row.types?.includes(other) ? ' but for types' : ''}`
    return [{ rule: 'floor', file: edge.from, line: edge.line, message }]
  }),
]

const frontDoor: Rule = ({ edges }) =>
  edges.flatMap((edge) => {
    const [room, other] = [roomOf(edge.from), roomOf(edge.to)]
    if (room === other || other.endsWith('.ts') || edge.to === `src/${other}/${other}.ts`) return []
    const mayEnter = sideDoors[edge.to]
    if (mayEnter && isUnder(edge.from, mayEnter)) return []
    const message = mayEnter
      ? `${edge.to} is entered only from ${mayEnter.join(', ')}`
      : `${edge.to} is inside ${other}: enter by src/${other}/${other}.ts`
    return [{ rule: 'front-door', file: edge.from, line: edge.line, message }]
  })

const closure: Rule = (house) =>
  closures.flatMap(({ from, never, only }) => {
    const starts = [...house.tree.keys()].filter((path) => isUnder(path, from))
    const reached = reach(house, starts)
    return [...reached.keys()]
      .filter((path) => never?.includes(roomOf(path)) || (only !== undefined && !only.includes(roomOf(path))))
      .map((path) => {
        const chain = chainTo(path, reached)
        return { rule: 'closure', file: chain.split(' → ')[0]!, line: 1, message: `must not reach ${path}: ${chain}` }
      })
  })

/**
 * One violation per knot of files that import one another: a file is in a knot when it can be reached from what it
 * imports.
 */
const cycle: Rule = (house) => {
  const knots = new Map<string, string>()
  for (const path of house.tree.keys()) {
    const next = (house.edgesFrom.get(path) ?? []).map((edge) => edge.to)
    const reached = reach(house, next)
    if (!reached.has(path)) continue
    const knot = [...reached.keys()].filter((other) => reach(house, [other]).has(path)).toSorted()
    knots.set(knot.join(', '), knot[0]!)
  }
  return [...knots].map(([names, file]) => ({ rule: 'cycle', file, line: 1, message: `import one another: ${names}` }))
}

const fileSize: Rule = ({ readings }) =>
  readings
    .map((reading) => ({
      reading,
      count: reading.lines.at(-1) === '' ? reading.lines.length - 1 : reading.lines.length,
    }))
    .filter(({ count }) => count > sizes.fileLines)
    .map(({ reading, count }) => ({
      rule: 'file-size',
      file: reading.path,
      line: count,
      message: `${count} lines, at most ${sizes.fileLines}`,
    }))

const functionSize: Rule = ({ readings }) =>
  readings.flatMap((reading) =>
    reading.functions
      .filter((one) => one.lines > sizes.functionLines)
      .map((one) => ({
        rule: 'function-size',
        file: reading.path,
        line: one.line,
        message: `${one.name} has ${one.lines} lines of code, at most ${sizes.functionLines}`,
      })),
  )

const lineLength: Rule = ({ readings }) =>
  readings.flatMap((reading) =>
    reading.lines.flatMap((content, index) => {
      const width = Array.from(content).length
      if (width <= sizes.lineLength) return []
      const message = `${width} characters, at most ${sizes.lineLength}`
      return [{ rule: 'line-length', file: reading.path, line: index + 1, message }]
    }),
  )

const world: Rule = ({ readings }) =>
  readings
    .filter((reading) => !isUnder(reading.path, worldly))
    .flatMap((reading) =>
      reading.touches.map(({ what, line }) => ({
        rule: 'world',
        file: reading.path,
        line,
        message: `${what}: take the port (Clock, Random, Disk, Net, Proc) as an argument`,
      })),
    )

const blindImport: Rule = ({ readings }) =>
  readings
    .filter((reading) => !loaders.includes(roomOf(reading.path)))
    .flatMap((reading) =>
      reading.blindImports.map((line) => ({
        rule: 'blind-import',
        file: reading.path,
        line,
        message: 'import() of what no literal tells',
      })),
    )

const deadFile: Rule = (house) => {
  const reached = reach(house, [...entries, ...spawned])
  return house.readings
    .filter((reading) => !reached.has(reading.path))
    .map((reading) => ({ rule: 'dead-file', file: reading.path, line: 1, message: 'reached from no entry' }))
}

const emptyName: Rule = ({ readings }) =>
  readings.flatMap((reading) => {
    const words = reading.path.replace(/\.ts$/, '').split(/[/-]/)
    const found = words.find((word) => emptyWords.includes(word))
    return found === undefined
      ? []
      : [{ rule: 'empty-name', file: reading.path, line: 1, message: `"${found}" does not say what it is` }]
  })

const codesFile = 'src/std/codes.ts'
const errorsFile = 'docs/errors.md'

/** The keys of the registry, read from its text: two spaces, a name, a colon. */
export const codesIn = (source: string): string[] =>
  [...source.matchAll(/^ {2}'?([a-z][a-z-]*)'?: [^,]/gm)].map((match) => match[1]!)

const errorCodes: Rule = ({ tree }) => {
  const [source, page] = [tree.get(codesFile), tree.get(errorsFile)]
  if (source === undefined || page === undefined) {
    const file = source === undefined ? codesFile : errorsFile
    return [{ rule: 'error-codes', file, line: 1, message: 'is not there' }]
  }
  const coded = new Set(codesIn(source))
  const told = new Set([...page.matchAll(/^## `?([^`\n]+?)`?$/gm)].map((match) => match[1]!))
  return [
    ...[...coded]
      .filter((code) => !told.has(code))
      .map((code) => ({
        rule: 'error-codes',
        file: errorsFile,
        line: 1,
        message: `does not tell what to do about ${code}`,
      })),
    ...[...told]
      .filter((code) => !coded.has(code))
      .map((code) => ({
        rule: 'error-codes',
        file: errorsFile,
        line: 1,
        message: `tells of ${code}, which ${codesFile} lacks`,
      })),
  ]
}

const rules: readonly Rule[] = [
  readable,
  floor,
  frontDoor,
  closure,
  cycle,
  fileSize,
  functionSize,
  lineLength,
  world,
  blindImport,
  deadFile,
  emptyName,
  errorCodes,
]

/** Everything that is wrong with a tree, rule by rule; empty when the walls stand. */
export const checkHouse = (tree: Tree): Violation[] => {
  const readings = [...tree]
    .filter(([path]) => path.startsWith('src/') && path.endsWith('.ts'))
    .map(([path, source]) => readSource(path, source))
  const edges = readings.flatMap(edgesOf)
  const house: House = { tree, readings, edges, edgesFrom: Map.groupBy(edges, (edge) => edge.from) }
  return rules.flatMap((rule) => rule(house))
}

/** `floor  src/model/task.ts:3  model (F1) may not import store` */
export const tell = (violations: readonly Violation[]): string =>
  violations.map(({ rule, file, line, message }) => `${rule}  ${file}:${line}  ${message}`).join('\n')
