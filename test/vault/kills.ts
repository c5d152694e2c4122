/**
 * A gate that is killed at random moments of rotations and refreshes. After each kill the next one must find exactly
 * one version that serves, and at the end the provider has no key that the vault does not have.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Rules } from '../../src/gateway/gateway.ts'
import { asFailure, between, seeded } from '../../src/std/std.ts'
import { fetchBy, newPlace, rulesFor, setSecret, startSitter, type Place } from '../gateway/harness.ts'
import { openOauthServer, type OauthServer } from './oauth/server.ts'
import { openKeyProvider } from './rotation/provider.ts'
import { rotation, rulesOf, until, untilOpen } from './rotation/world.ts'

export const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

const launch = async (place: Place, rules: Rules): Promise<ChildProcess> => {
  const file = join(place.directory, 'rules.json')
  writeFileSync(
    file,
    JSON.stringify(rules, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)),
  )
  const program = join(import.meta.dirname, '..', 'gateway', 'run-gate.ts')
  const flags = ['--disable-warning=ExperimentalWarning', program]
  const child = spawn(process.execPath, [...flags, place.data, place.config, place.socket, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stdout!).on('line', (line) => {
      lines.push(line)
      if (line === 'open') resolve()
    })
    child.on('exit', () => reject(new Error(`the gate ended: ${lines.join('\n')}`)))
  })
  return child
}

export const openGateProcess = async (rules: Rules) => {
  const place = newPlace()
  let child = await launch(place, rules)
  const sitter = startSitter(place)
  await sitter.linked()
  let links = 1
  const door = join(place.directory, 'cell.sock')
  sitter.link.openCell({ cell: 'cel_1', socketPath: door, type: 'payer', agents: ['payer/0001'], upstreams: ['bank'] })
  await untilOpen(door)
  return {
    place,
    sitter,
    door,
    /** Kills it and starts the next one; resolves when that one serves. */
    again: async () => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      child = await launch(place, rules)
      links += 1
      await sitter.linked(links)
      await untilOpen(door)
    },
    close: async () => {
      await sitter.link.stop()
      child.kill('SIGKILL')
      place.remove()
    },
  }
}

/** What went wrong, each in a sentence; empty = nothing. */
export const killRotations = async (kills: number, seed: number): Promise<readonly string[]> => {
  const random = seeded(seed)
  const wrong: string[] = []
  const provider = await openKeyProvider(5)
  const gate = await openGateProcess(rulesOf(provider, rotation({ canaryMs: 50 })))
  const { sitter, door } = gate
  await setSecret(sitter, provider.first.secret)
  const view = async () => (await sitter.link.vaultList()).renewals.find(({ name }) => name === 'bank')!
  for (let kill = 1; kill <= kills; kill += 1) {
    // Where the last one has taken over and the one before it is ended only now, there is no other yet: it is killed in that.
    await sitter.link.vaultRenew('rotate', 'bank', null, 'test').catch((error: unknown) => {
      if (asFailure(error).code !== 'conflict') throw error
    })
    await rest(between(random, 0, 350))
    await gate.again()
    const { credentials } = await sitter.link.vaultList()
    const active = credentials.filter(({ state }) => state === 'active')
    if (active.length !== 1) wrong.push(`kill ${kill}: ${active.length} versions are active`)
    const { status } = await fetchBy(door, { path: '/bank/v1/work' })
    if (status !== 200) wrong.push(`kill ${kill}: a call was answered ${status}`)
  }
  const end = await until(view, ({ phase }) => phase === 'idle' || phase === 'person')
  const { credentials } = await sitter.link.vaultList()
  const left = provider.keys.filter(({ revokedMs }) => revokedMs === null)
  if (end.phase !== 'idle') wrong.push(`it ended as ${end.phase}: ${end.why}`)
  if (left.length !== 1)
    wrong.push(`the provider has ${left.length} living keys: ${left.map(({ id }) => id).join(' ')}`)
  if (credentials.filter(({ state }) => state === 'active').length !== 1)
    wrong.push('not one version is active at the end')
  if (provider.refused() > 0) wrong.push(`${provider.refused()} calls were refused`)
  await gate.close()
  await provider.close()
  return wrong
}

export interface RefreshLoad {
  readonly kills: number
  readonly agents: number
  readonly ms: number
  readonly seed: number
  /** Answers of the token endpoint that are lost after they had their effect. */
  readonly lost: number
}

/** One grant by refresh token, whose client has a secret of its own. */
export const grantRules = (server: OauthServer): Rules => {
  const oauth = {
    grant: 'refresh-token',
    issuer: server.issuer,
    token: null,
    hosts: [server.host],
    clientId: 'swarm',
    auth: 'basic',
    clientSecret: 'swarm-client',
    scope: null,
    audience: null,
    subject: null,
  } as const
  return {
    ...rulesFor({ host: server.resource }),
    credentials: {
      bank: { name: 'bank', pool: [], signing: { kind: 'oauth', oauth } },
      'swarm-client': { name: 'swarm-client', pool: [] },
    },
  }
}

/** Calls of many agents over tokens of five seconds; those that the killed gate cut are the agents' to make again. */
export const killRefreshes = async ({ kills, agents, ms, seed, lost }: RefreshLoad): Promise<readonly string[]> => {
  const random = seeded(seed)
  const wrong: string[] = []
  const server = await openOauthServer(5, '')
  const gate = await openGateProcess(grantRules(server))
  await setSecret(gate.sitter, server.clientSecret, 'swarm-client')
  await setSecret(gate.sitter, await server.newRefreshToken())
  let over = false
  const statuses = new Map<string, number>()
  const agent = async (): Promise<void> => {
    while (!over) {
      try {
        const { status, body } = await fetchBy(gate.door, { path: '/bank/v1/work' })
        const said = status === 200 ? 'well' : `${status} ${/"detail":"[^"]*/.exec(body)?.[0] ?? ''}`
        statuses.set(said, (statuses.get(said) ?? 0) + 1)
      } catch {
        // The gate is gone: the agent looks again until the next one serves.
        await rest(20)
      }
      await rest(agents * 10)
    }
  }
  const running = Promise.all(Array.from({ length: agents }, agent))
  // One answer at a time: two in a row are a server that is away, and calls are told so.
  for (let one = 0; kills === 0 && one < lost; one += 1) {
    await rest(ms / (lost + 1))
    server.lose(1)
  }
  for (let kill = 0; kill < kills; kill += 1) {
    await rest(between(random, 0, (1.6 * ms) / kills))
    server.lose(kill < lost ? 1 : 0)
    await gate.again()
  }
  await rest(kills === 0 ? ms / (lost + 1) : 6_000)
  over = true
  await running
  const figures = server.figures()
  const bad = [...statuses].filter(([said]) => said !== 'well')
  if (bad.length > 0) wrong.push(`calls were answered ${bad.map(([said, count]) => `${said} (${count})`).join(', ')}`)
  if (figures.refused > 0) wrong.push(`the resource refused ${figures.refused} calls`)
  if (figures.most > 1) wrong.push(`${figures.most} token requests were under way at once`)
  if (figures.reused > 0) wrong.push(`${figures.reused} refresh tokens were used again after their grace`)
  if (figures.calls < agents) wrong.push(`only ${figures.calls} calls were made`)
  await gate.close()
  await server.close()
  return wrong
}

/** Rotation every `everyMs` under load, at a provider that ends keys for real. */
export const rotateUnderLoad = async (everyMs: number, ms: number): Promise<readonly string[]> => {
  const wrong: string[] = []
  const provider = await openKeyProvider(20)
  const gate = await openGateProcess(rulesOf(provider, rotation({ everyMs, canaryMs: everyMs / 5 })))
  await setSecret(gate.sitter, provider.first.secret)
  const statuses = new Map<number, number>()
  const stop = performance.now() + ms
  const agent = async (): Promise<void> => {
    while (performance.now() < stop) {
      const { status } = await fetchBy(gate.door, { path: '/bank/v1/work' })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: 30 }, agent))
  // Between two rotations every old version is at its end, at the provider and in the vault.
  const settled = await until(
    async () => {
      const view = await gate.sitter.link.vaultList()
      const living = provider.keys.filter(({ revokedMs }) => revokedMs === null)
      return { phase: view.renewals.find(({ name }) => name === 'bank')!.phase, living, credentials: view.credentials }
    },
    ({ phase, living }) => phase === 'idle' && living.length === 1,
  )
  const unended = settled.credentials.filter(({ state }) => state !== 'revoked' && state !== 'active')
  const early = provider.keys.filter(
    ({ revokedMs, lastSeenMs, lastAnsweredMs }) =>
      revokedMs !== null && revokedMs < Math.max(lastSeenMs ?? 0, lastAnsweredMs ?? 0),
  )
  const ended = provider.keys.filter(({ revokedMs }) => revokedMs !== null).length
  console.log(`  ${provider.calls()} calls, ${provider.keys.length} keys, ${ended} ended`)
  const bad = [...statuses].filter(([status]) => status !== 200)
  if (bad.length > 0)
    wrong.push(`calls were answered ${bad.map(([status, count]) => `${status} (${count})`).join(', ')}`)
  if (provider.refused() > 0) wrong.push(`the provider refused ${provider.refused()} calls`)
  if (early.length > 0) wrong.push(`${early.length} keys were ended before their last use`)
  if (ended < Math.floor(ms / everyMs / 2)) wrong.push(`only ${ended} keys were ended`)
  if (unended.length > 0) wrong.push(`${unended.map(({ version, state }) => `${version} is ${state}`).join(', ')}`)
  await gate.close()
  await provider.close()
  return wrong
}
