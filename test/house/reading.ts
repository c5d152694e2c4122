/**
 * Reads one source file into the facts that the rules judge: its imports, its functions, and where it touches the
 * world. A real parser (the one inside vite) does the reading, so that text in strings and comments is never taken for
 * code.
 */
import { parseSync } from 'vite'

export interface Import {
  readonly specifier: string
  readonly line: number
  /** Erased before it runs. `import { type A }` is not: Node still loads the file. */
  readonly typeOnly: boolean
}
export interface FunctionExtent {
  readonly name: string
  readonly line: number
  /** Lines with code: blank ones and those with nothing but a comment are free. */
  readonly lines: number
}
export interface Touch {
  readonly what: string
  readonly line: number
}
export interface Reading {
  readonly path: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
  /** Lines of `import(expression)` that no reader can follow. */
  readonly blindImports: readonly number[]
  readonly functions: readonly FunctionExtent[]
  readonly touches: readonly Touch[]
  readonly errors: readonly string[]
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'

/** A million nodes are seen; no list is made of any one's children. */
const visit = (node: Node, parent: Node | undefined, see: (node: Node, parent: Node | undefined) => void): void => {
  see(node, parent)
  for (const key in node) {
    const value = node[key]
    if (Array.isArray(value)) {
      for (const one of value) if (isNode(one)) visit(one, node, see)
    } else if (isNode(value)) visit(value, node, see)
  }
}

const text = (node: unknown): string | undefined =>
  isNode(node) && node.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined

/** `a` of `a`, `c` of `b.c`, `key` of `'key'`: the last name by which a thing is called. */
const lastName = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined
  if (node.type === 'Identifier') return node.name as string
  if (node.type === 'MemberExpression') return node.computed === true ? text(node.property) : lastName(node.property)
  return text(node)
}

const importOf = (node: Node): { readonly specifier: string | undefined; readonly typeOnly: boolean } | undefined => {
  switch (node.type) {
    case 'ImportDeclaration':
      return { specifier: text(node.source), typeOnly: node.importKind === 'type' }
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return node.source ? { specifier: text(node.source), typeOnly: node.exportKind === 'type' } : undefined
    case 'ImportExpression':
      return { specifier: text(node.source), typeOnly: false }
    case 'TSImportType':
      return { specifier: text(node.source) ?? text((node.argument as Node | undefined)?.literal), typeOnly: true }
    default:
      return undefined
  }
}

const worldModules = /^(?:node:)?(?:fs|fs\/promises|net|timers|timers\/promises)$/
const worldMembers: Readonly<Record<string, RegExp>> = {
  Date: /^now$/,
  Math: /^random$/,
  process: /^(?:env|hrtime)$/,
  performance: /^now$/,
  crypto: /^(?:random.*|getRandomValues)$/,
  AbortSignal: /^timeout$/,
  Temporal: /^Now$/,
}
const worldNames = new Set(['setTimeout', 'setInterval'])

/** Names taken out of a module or an object by braces: `import { a } from`, `const { a } = object`. */
const takenNames = (node: Node): { readonly from: string; readonly names: readonly string[] } | undefined => {
  if (node.type === 'ImportDeclaration' && node.importKind !== 'type') {
    const from = (text(node.source) ?? '').replace(/^node:/, '')
    return { from, names: (node.specifiers as Node[]).map((one) => lastName(one.imported) ?? '') }
  }
  if (node.type === 'VariableDeclarator' && isNode(node.id) && node.id.type === 'ObjectPattern') {
    return {
      from: lastName(node.init) ?? '',
      names: (node.id.properties as Node[]).map((one) => lastName(one.key) ?? ''),
    }
  }
  return undefined
}

const touchesOf = (node: Node, parent: Node | undefined): string[] => {
  const imported = node.type === 'ImportDeclaration' || node.type === 'ImportExpression' ? text(node.source) : undefined
  if (imported !== undefined && node.importKind !== 'type' && worldModules.test(imported)) return [imported]
  const taken = takenNames(node)
  if (taken) {
    const { from } = taken
    return taken.names.filter((name) => worldMembers[from]?.test(name)).map((name) => `${from}.${name}`)
  }
  if (node.type === 'MemberExpression') {
    const object = lastName(node.object) ?? ''
    const member = lastName(node) ?? ''
    if (Object.hasOwn(worldMembers, object) && worldMembers[object]!.test(member)) return [`${object}.${member}`]
    return object === 'globalThis' && worldNames.has(member) ? [member] : []
  }
  const isDate = lastName(node.callee) === 'Date' && (node.callee as Node).type === 'Identifier'
  if (node.type === 'NewExpression' && isDate && (node.arguments as Node[]).length === 0) return ['new Date()']
  if (node.type === 'CallExpression' && isDate) return ['Date()']
  if (node.type !== 'Identifier' || !worldNames.has(node.name as string)) return []
  const isLabel =
    (parent?.type === 'MemberExpression' && parent.property === node && parent.computed !== true) ||
    (parent?.type === 'Property' && parent.key === node && parent.shorthand !== true) ||
    parent?.type.startsWith('TS') === true
  return isLabel ? [] : [node.name as string]
}

const isFunction = (node: Node): boolean =>
  node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression' || node.type === 'ArrowFunctionExpression'

const functionName = (node: Node, parent: Node | undefined): string =>
  lastName(node.id) ?? lastName(parent?.id) ?? lastName(parent?.key) ?? 'a function'

/** For each line whether it holds code; lines with only blanks or comments do not. */
const codeLines = (
  source: string,
  comments: readonly { readonly start: number; readonly end: number }[],
): boolean[] => {
  let bare = source
  for (const { start, end } of comments) {
    bare = bare.slice(0, start) + source.slice(start, end).replace(/[^\n]/g, ' ') + bare.slice(end)
  }
  return bare.split('\n').map((line) => line.trim() !== '')
}

/** Gives the facts of one TypeScript file. Never throws: what cannot be parsed is told in `errors`. */
export const readSource = (path: string, source: string): Reading => {
  const parsed = parseSync(path, source)
  const isCode = codeLines(source, parsed.comments)
  const starts = [0]
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1)
  const lineAt = (offset: number): number => starts.findLastIndex((start) => start <= offset) + 1

  const imports: Import[] = []
  const blindImports: number[] = []
  const functions: FunctionExtent[] = []
  const touches: Touch[] = []
  visit(parsed.program as unknown as Node, undefined, (node, parent) => {
    const found = importOf(node)
    const touched = touchesOf(node, parent)
    // Most nodes are neither, and need no line.
    if (found === undefined && touched.length === 0 && !isFunction(node)) return
    const line = lineAt(node.start)
    if (found?.specifier !== undefined) imports.push({ specifier: found.specifier, line, typeOnly: found.typeOnly })
    else if (found) blindImports.push(line)
    touches.push(...touched.map((what) => ({ what, line })))
    if (isFunction(node)) {
      const lines = isCode.slice(line - 1, lineAt(node.end)).filter(Boolean).length
      functions.push({ name: functionName(node, parent), line, lines })
    }
  })
  const errors = parsed.errors.map((error) => error.message)
  return { path, lines: source.split('\n'), imports, blindImports, functions, touches, errors }
}
