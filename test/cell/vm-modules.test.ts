/** What a module of a vm cell may be, and what is said of one that may not. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { vmModuleFault } from '../../src/cell/cell.ts'
import { openYard, villain } from './harness.ts'

describe('a module of a vm cell', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'modules-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))
  const faultOf = async (source: string, name = 'agent.ts'): Promise<unknown> => {
    const path = join(directory, name)
    await writeFile(path, source)
    return vmModuleFault(path)
  }
  const agent = 'export default defineAgent({ tasks: { work: () => 1 } })'

  it('may import relative files, types, and swarmsitter/agent', async () => {
    await writeFile(join(directory, 'part.ts'), 'export const one: number = 1')
    const imports =
      "import { defineAgent } from 'swarmsitter/agent'; import { one } from './part.ts'; import type fs from 'node:fs'"
    expect(await faultOf(`${imports}\n${agent}`)).toBeNull()
    expect(await vmModuleFault(villain('vm-witness'))).toBeNull()
  })

  it('is refused what is not there, by name, with the way out', async () => {
    expect(await faultOf("import { readFileSync } from 'node:fs'")).toEqual({
      found: `an import of "node:fs" in ${join(directory, 'agent.ts')}`,
      expected: expect.stringContaining('bundle what else it needs') as unknown,
    })
    await writeFile(join(directory, 'part.ts'), "import 'zod'")
    expect(await faultOf("import './part.ts'")).toMatchObject({
      found: `an import of "zod" in ${join(directory, 'part.ts')}`,
    })
    expect(await faultOf("import './nowhere.ts'")).toMatchObject({
      found: expect.stringContaining('nowhere.ts cannot be read') as unknown,
    })
    expect(await faultOf("import './other.json'")).toMatchObject({
      found: expect.stringContaining('not .json') as unknown,
    })
  })

  it('is refused what it cannot mean', async () => {
    expect(await faultOf('enum Kind { one }')).toMatchObject({ found: expect.stringContaining('enum') as unknown })
    expect(await faultOf('export default (', 'agent.mjs')).toMatchObject({
      found: expect.stringContaining('agent.mjs') as unknown,
    })
    expect(await faultOf(`"${'x'.repeat(1_100_000)}"`, 'agent.js')).toMatchObject({
      found: expect.stringContaining('more than') as unknown,
    })
  })

  it('ends a host that is started with it, which says why', async () => {
    const yard = await openYard()
    onTestFinished(() => yard.clear())
    const path = join(directory, 'agent.ts')
    await writeFile(path, "import 'node:fs'")
    const { ear } = await yard.start('vm', { kind: 'vm', module: path })
    const { cause, detail } = await ear.gone()
    expect(cause).toBe('start-failed')
    expect(detail).toContain('imports "node:fs"')
  })
})
