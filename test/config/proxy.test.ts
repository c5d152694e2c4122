/** How programs that know no gate are given one. */
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import type { Failure } from '../../src/std/std.ts'

const errorsOf = (raw: unknown): readonly string[] => {
  try {
    parseConfig(raw, '/swarm')
  } catch (error) {
    return (error as Failure).facts['errors'] as readonly string[]
  }
  return []
}

test('A program may be given a proxy and placeholders; a module calls ctx.fetch, and no variable of ours is a placeholder', () => {
  const config = (more: object, run: object = { exec: ['./a.sh'] }) => ({
    name: 's',
    agents: { one: { run, ...more } },
  })
  const proxyOf = (proxy: unknown) => parseConfig(config({ proxy }), '/swarm').agents['one']!.proxy
  expect(parseConfig(config({}), '/swarm').agents['one']!.proxy).toBe(undefined)
  expect(proxyOf(true)).toEqual({ placeholders: {} })
  expect(proxyOf({ placeholders: { OPENAI_API_KEY: 'placeholder' } })).toEqual({
    placeholders: { OPENAI_API_KEY: 'placeholder' },
  })
  expect(errorsOf(config({ proxy: true }, { module: './a.ts' }))).toEqual([expect.stringContaining('agents.one.proxy')])
  for (const name of ['SITTER_GATE', 'HTTPS_PROXY', 'no_proxy', 'LD_PRELOAD', 'NODE_OPTIONS', 'PATH', 'a b', ''])
    expect(errorsOf(config({ proxy: { placeholders: { [name]: 'x' } } })), name).toHaveLength(1)
  expect(errorsOf(config({ proxy: false }))).toHaveLength(1)
})
