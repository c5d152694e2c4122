/** The walls of the house stand: on the sources, and proven to be able to fall by one planted fault per rule. */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { codes } from '../src/std/std.ts'
import { entries, sideDoors, sizes, spawned, worldly } from './house/plan.ts'
import { checkHouse, codesIn, tell, type Tree } from './house/rules.ts'
import { treeAt } from './house/tree.ts'

const project = join(import.meta.dirname, '..')
const fixtures = join(import.meta.dirname, 'house', 'fixtures')

/** A clean little house with the files of one fixture laid over it. */
const planted = (name: string): Tree => new Map([...treeAt(join(fixtures, 'base')), ...treeAt(join(fixtures, name))])

/** Per fixture what must be found, and nothing beside: rule and planted file. */
const faults: Readonly<Record<string, readonly string[]>> = {
  'blind-import': ['blind-import src/work/work.ts'],
  'closure-agent': ['floor src/wire/wire.ts', 'closure src/agent/agent.ts'],
  'closure-doors': ['closure src/doors/doors.ts'],
  'closure-gate': ['floor src/gateway/gateway.ts', 'closure src/gate.ts'],
  'closure-host': ['closure src/cell/pool/host.ts'],
  cycle: ['cycle src/cell/cell.ts'],
  'dead-file': ['dead-file src/cell/forgotten.ts'],
  'empty-name': ['empty-name src/cell/cell-helper.ts'],
  'error-codes-unheard': ['error-codes docs/errors.md'],
  'error-codes-untold': ['error-codes docs/errors.md'],
  'file-size': ['file-size src/cell/inside.ts'],
  floor: ['floor src/model/model.ts'],
  'floor-new-room': ['floor src/basement/basement.ts', 'floor src/model/model.ts'],
  'floor-own-name': ['floor src/work/work.ts'],
  'floor-types': ['floor src/doors/doors.ts'],
  'front-door': ['front-door src/fleet/fleet.ts'],
  'front-door-real': ['front-door src/work/work.ts'],
  'function-size': ['function-size src/cell/inside.ts'],
  'line-length': ['line-length src/cell/inside.ts'],
  readable: ['readable src/cell/inside.ts'],
  world: ['world src/work/work.ts'],
}

test('The walls of the house stand', () => {
  expect(tell(checkHouse(treeAt(project)))).toBe('')
})

test('The tests, the benchmarks and the page have files of at most 400 lines as well', () => {
  const linesOf = (path: string): number => readFileSync(join(project, path), 'utf8').trimEnd().split('\n').length
  const files = ['test', 'bench', 'dashboard'].flatMap((folder) =>
    globSync(`${folder}/**/*.{ts,tsx}`, { cwd: project, exclude: ['test/house/fixtures/**', '**/node_modules/**'] }),
  )
  expect(files.length).toBeGreaterThan(300)
  expect(files.filter((path) => linesOf(path) > sizes.fileLines)).toEqual([])
})

test('Every file that the plan names is there', () => {
  const named = [...entries, ...spawned, ...Object.keys(sideDoors), ...worldly.filter((place) => place.endsWith('.ts'))]
  expect(named.filter((path) => !existsSync(join(project, path)))).toEqual([])
})

test('The codes that the wall reads out of the source are the codes of the registry', () => {
  expect(codesIn(treeAt(project).get('src/std/codes.ts') ?? '')).toEqual(Object.keys(codes))
})

test('The page of errors gives each code the kind, HTTP status and exit code that it has, and what to do', () => {
  const sections = (treeAt(project).get('docs/errors.md') ?? '').split(/^## /m).slice(1)
  const told = Object.fromEntries(sections.map((section) => [/^`(.+)`$/m.exec(section)?.[1], section]))
  for (const [code, { kind, status, exit }] of Object.entries(codes)) {
    expect(told[code], code).toContain(`${kind} · HTTP ${status} · exit ${exit}`)
    expect(told[code], code).toMatch(/\*\*What it means\.\*\* .{20,}\n\n\*\*What to do\.\*\* .{10,}/)
  }
})

test('A clean little house has nothing wrong', () => {
  expect(tell(checkHouse(planted('base')))).toBe('')
})

test('Every fixture is judged', () => {
  expect(readdirSync(fixtures).toSorted()).toEqual([...Object.keys(faults), 'base'].toSorted())
})

test.for(Object.entries(faults))('The wall names the fault planted in %s, and nothing else', ([name, expected]) => {
  const found = checkHouse(planted(name)).map(({ rule, file }) => `${rule} ${file}`)
  expect([...new Set(found)]).toEqual(expected)
})

/** What is wrong with the clean little house once one of its files says this. */
const saying = (path: string, text: string): string => tell(checkHouse(new Map([...planted('base'), [path, text]])))
const inCell = 'src/cell/inside.ts'
const inWork = 'src/work/work.ts'

test('A file, a function and a line may be as large as their bound', () => {
  const longest = ['export const inside = 1', ...Array.from({ length: 399 }, (_, index) => `// ${index}`), ''].join(
    '\n',
  )
  expect(saying(inCell, longest)).toBe('')
  const body = Array.from({ length: 68 }, () => '  sum += 1')
  const largest = ['export const inside = () => {', ...body, '}', 'let sum = 0'].join('\n')
  expect(saying(inCell, largest)).toBe('')
  const widest = `export const inside = '${'é'.repeat(96)}'`
  expect(Array.from(widest)).toHaveLength(120)
  expect(saying(inCell, widest)).toBe('')
})

test('Comments and blank lines do not make a function larger', () => {
  const body = Array.from({ length: 60 }, (_, index) => `  // why ${index}\n\n  sum += 1 /* one`.concat(' more */'))
  const source = ['export const inside = () => {', ...body, '}', 'let sum = 0'].join('\n')
  expect(saying(inCell, source)).toBe('')
})

test.for([
  'Date.now()',
  'new Date()',
  'Date()',
  'Math.random()',
  "process.env['A']",
  "process['env']",
  'globalThis.process.env',
  'process.hrtime()',
  'performance.now()',
  'setTimeout(() => {}, 1)',
  'setInterval(() => {}, 1)',
  'globalThis.setTimeout',
  '[1].map(setTimeout)',
  'AbortSignal.timeout(5)',
  'crypto.randomUUID()',
  'crypto.getRandomValues(a)',
  'Temporal.Now.instant()',
  "await import('node:fs')",
])('Outside the places for it, %s touches the world', (expression) => {
  const source = `const a = new Uint8Array(1)\nexport const work = async () => [a, ${expression.replace('await ', '')}]`
  expect(saying(inWork, source)).toContain(`world  ${inWork}:2`)
  expect(saying(inCell, `export const inside = ${expression}`)).not.toContain('world')
})

test.for([
  "import 'node:fs'",
  "import { readFile } from 'node:fs/promises'",
  "import net from 'net'",
  "import { randomBytes } from 'node:crypto'",
  "import { env } from 'node:process'",
  "import { setTimeout as wait } from 'node:timers/promises'",
  'const { env } = process',
  'const { randomInt } = crypto',
])('Outside the places for it, "%s" touches the world', (statement) => {
  expect(saying(inWork, `${statement}\nexport const work = 1`)).toContain(`world  ${inWork}:1`)
})

test.for([
  'new Date(5)',
  "'Date.now()'",
  '/Math.random/',
  '{ setTimeout: 1 }',
  '{} as { setTimeout: number }',
  "'process.env'",
  'Math.max(1)',
])('%s touches nothing', (expression) => {
  expect(saying(inWork, `// Date.now() setTimeout\nexport const work = ${expression}`)).toBe('')
})

test('An import that is erased is counted by the floors like any other', () => {
  expect(saying('src/cell/inside.ts', "export type * from '../work/work.ts'\nexport const inside = 1")).toContain(
    'floor',
  )
  expect(
    saying('src/cell/inside.ts', "export const inside = 1 as unknown as import('../work/work.ts').work"),
  ).toContain('floor')
})

test('Braces around types alone still load the file, so they are no import of types', () => {
  const source = "import { type rows } from '../store/store.ts'\nexport const doors = (given: rows) => given"
  expect(saying('src/doors/doors.ts', source)).toContain('doors (F10) may not import store but for types')
})
