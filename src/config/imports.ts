/**
 * Which files beside it a program's text names: by imports of JavaScript and Python, with or without an extension, and
 * by paths in shell scripts. Pure: what is there, whoever looks finds out.
 */
import { basename, dirname, extname, resolve } from 'node:path'

const moduleName = /(?:from\s+|import\s*\(?\s*|require\s*\(\s*)["'](\.{1,2}\/[^"']{1,500})["']/g
const moduleEndings = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json', '/index.ts', '/index.js']

/** One of these paths, the first that is there. */
export type OneOf = readonly string[]

const ofModules = (path: string, text: string): readonly OneOf[] =>
  [...text.matchAll(moduleName)].map(([, name]) => {
    const named = resolve(dirname(path), name!)
    // What is compiled is named as it will be.
    return [named, named.replace(/\.([mc]?)js$/, '.$1ts'), ...moduleEndings.map((ending) => named + ending)]
  })

const pythonImport =
  /^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+\(?([\w*, \t]{1,500})|import[ \t]+([\w., \t]{1,500}))/gm
const names = (list: string): readonly string[] => list.split(',').map((one) => one.trim().split(/\s/)[0]!)

/** `from a.b import c` may be a/b.py, a package a/b, or its a/b/c.py; each dot before it is a folder further up. */
const ofPython = (path: string, text: string): readonly OneOf[] =>
  [...text.matchAll(pythonImport)].flatMap(([, from, what, plain]) => {
    if (from === undefined) return names(plain ?? '').flatMap((one) => pythonFiles(dirname(path), one))
    const dots = /^\.*/.exec(from)![0].length
    const base = resolve(dirname(path), ...Array<string>(Math.max(0, dots - 1)).fill('..'))
    const module = from.slice(dots)
    const inside = names(what ?? '').map((one) => (module === '' ? one : `${module}.${one}`))
    return [module, ...inside].flatMap((one) => pythonFiles(base, one))
  })

const pythonFiles = (base: string, module: string): readonly OneOf[] => {
  if (!/^\w+(?:\.\w+)*$/.test(module)) return []
  const parts = module.split('.')
  const packages = parts.map((_, index) => resolve(base, ...parts.slice(0, index + 1), '__init__.py'))
  return [[`${resolve(base, ...parts)}.py`], ...packages.map((one) => [one])]
}

/** Words that may be files: `./run.sh`, `agents/a.py`. */
export const pathsIn = (command: string): readonly string[] =>
  command.split(/[\s'"`=;&|()<>]+/).filter((word) => /[./]/.test(word) && !word.startsWith('-') && !word.includes('$'))

const ofShell = (path: string, text: string): readonly OneOf[] =>
  pathsIn(text)
    .filter((word) => /^\.{1,2}\//.test(word))
    .map((word) => [resolve(dirname(path), word)])

const interpreterOf = (path: string, text: string): 'python' | 'shell' | 'module' => {
  const [, line = ''] = /^#!(.*)/.exec(text) ?? []
  if (extname(path) === '.py' || /python/.test(line)) return 'python'
  return /\.(?:ba|z|da)?sh$/.test(basename(path)) || /sh\b/.test(line) ? 'shell' : 'module'
}

/** What the text names; some of it is not there. */
export const namedBeside = (path: string, text: string): readonly OneOf[] => {
  switch (interpreterOf(path, text)) {
    case 'python':
      return ofPython(path, text)
    case 'shell':
      return ofShell(path, text)
    case 'module':
      return ofModules(path, text)
  }
}
