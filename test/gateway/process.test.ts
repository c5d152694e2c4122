import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { afterEach, expect, test } from 'vitest'
import { applyConfig, parseConfig } from '../../src/config/config.ts'
import { realDisk } from '../../src/std/real/real.ts'
import { grantFor, newPlace, setSecret, startSitter } from './harness.ts'
import { openUpstream } from './upstream.ts'

let closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
})

const program = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

const launch = (place: { readonly data: string; readonly config: string; readonly socket: string }) => {
  const args = ['--disable-warning=ExperimentalWarning', program, '_gate', '--data-dir', place.data]
  const child = spawn(process.execPath, [...args, '--link-socket', place.socket], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    // Compiled code as a swarm's programs have it (launch.ts): without it each start compiles all of it anew.
    env: { XDG_CONFIG_HOME: place.config, NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] },
  })
  closing.push(() => child.kill('SIGKILL'))
  const line = child.stdio[3] as Duplex
  const log: string[] = []
  createInterface(child.stdout!).on('line', (text) => log.push(text))
  const heard: string[] = []
  const said = Promise.withResolvers<string>()
  createInterface(line).on('line', (text) => {
    heard.push(text)
    if (!text.startsWith('beat')) said.resolve(text)
  })
  return { child, line, log, heard, said: said.promise }
}

test('the program runs the applied config, says that it is ready, and ends in order when its parent is gone', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(() => place.remove(), upstream.close)
  const raw = {
    name: 'testswarm',
    agents: {},
    upstreams: {
      bank: {
        url: `http://${upstream.host}`,
        grant: [upstream.host],
        credentials: 'bank',
        allow: ['POST /v1/payouts'],
        money: ['POST /v1/payouts'],
        limits: [{ per: 'credential', rate: '100/s', burst: 10 }],
      },
    },
    credentials: { bank: { kind: 'bearer', pool: ['bank-a'] } },
  }
  const config = parseConfig(raw, place.directory)
  const file = join(place.directory, 'swarm.config.json')
  await applyConfig(realDisk(), place.data, { file, raw, baseDirectory: place.directory, config })
  const gate = launch(place)
  expect(JSON.parse((await gate.said).replace('ready ', ''))).toMatchObject({ pid: gate.child.pid })
  const sitter = startSitter(place)
  closing.push(() => sitter.link.stop())
  await sitter.linked()
  await setSecret(sitter, 'pool-secret', 'bank-a')
  const grant = grantFor()
  sitter.link.grant([grant])
  expect(await sitter.callOf(grant.grant)).toMatchObject({ credential: 'bank-a', outcome: { kind: 'answered' } })
  expect(upstream.seen[0]!.headers['authorization']).toBe('Bearer pool-secret')
  const ended = once(gate.child, 'exit')
  gate.line.destroy()
  expect(await ended).toEqual([0, null])
  for (const text of gate.log)
    expect(JSON.parse(text)).toMatchObject({ room: 'gate', level: expect.any(String) as string })
  expect(gate.log.join()).not.toContain('pool-secret')
})

test('a gate that crashes leaves no core file, opens no inspector, and has no secret in environment or arguments', async () => {
  const upstream = await openUpstream()
  const place = newPlace()
  closing.push(() => place.remove(), upstream.close)
  const raw = {
    name: 'testswarm',
    agents: {},
    upstreams: {
      bank: {
        url: `http://${upstream.host}`,
        grant: [upstream.host],
        credentials: 'bank',
        allow: ['POST /v1/payouts'],
      },
    },
    credentials: { bank: { kind: 'bearer' } },
  }
  const file = join(place.directory, 'swarm.config.json')
  const config = parseConfig(raw, place.directory)
  await applyConfig(realDisk(), place.data, { file, raw, baseDirectory: place.directory, config })
  const gate = launch(place)
  await gate.said
  const sitter = startSitter(place)
  closing.push(() => sitter.link.stop())
  await sitter.linked()
  await setSecret(sitter, 'canary-of-a-crash', 'bank')
  const grant = grantFor()
  sitter.link.grant([grant])
  await sitter.callOf(grant.grant)
  const proc = (name: string): string => readFileSync(`/proc/${gate.child.pid!}/${name}`, 'latin1')
  expect(proc('limits')).toMatch(/^Max core file size +[01] +[01] /m)
  expect(proc('environ') + proc('cmdline')).not.toContain('canary')
  expect(proc('environ')).not.toContain('testswarm.key')
  gate.child.kill('SIGUSR1')
  // It goes on serving, and nothing new listens.
  await expect.poll(() => gate.log.join()).toContain('SIGUSR1 is ignored')
  await sitter.link.status()
  gate.child.kill('SIGSEGV')
  expect((await once(gate.child, 'exit'))[1]).toBe('SIGSEGV')
  const left = [place.directory, process.cwd()].flatMap((folder) => readdirSync(folder))
  expect(left.filter((name) => /^core(\.|$)/.test(name))).toEqual([])
})

test('a gate without its config says why to its parent and ends', async () => {
  const place = newPlace()
  closing.push(() => place.remove())
  const gate = launch(place)
  expect(await gate.said).toMatch(/^failed .*"code":"config-unreadable"/)
  expect((await once(gate.child, 'exit'))[0]).toBe(1)
})
