/**
 * Requests a second over 64 connections, and what one connection waits longer than without anything between: the gate
 * with all its stages, without and with a credential, or nginx, before the same upstream on this host.
 */
import { cpuMs } from '../cpu.ts'
import { answer, readAsk } from '../programs.ts'
import { load, type At, type Load } from './load.ts'
import { answerBytes, startBare, startGate, startProxy, startUpstream, stopAll } from './parts.ts'

const { directory, options } = readAsk()
const how = String(options['how'])
const [warmMs, measureMs] = [Number(options['warmMs']), Number(options['measureMs'])]

const configFor = (upstream: string, isSigned: boolean): object => ({
  name: 'bench',
  agents: { caller: { run: { exec: ['true'] }, upstreams: ['far'] } },
  upstreams: {
    far: {
      url: `http://${upstream}`,
      grant: [upstream],
      allow: ['GET /v1/**'],
      // They hold nobody up, and are asked each time.
      limits: [
        { per: 'upstream', rate: '1000000/s', burst: 100_000 },
        { per: 'agent', concurrent: 1_000 },
      ],
      cost: { call: '0.01 XTS' },
      ...(isSigned && { credentials: 'far' }),
    },
  },
  ...(isSigned && { credentials: { far: { kind: 'bearer' } } }),
})

interface Between {
  readonly at: At
  readonly path: string
  readonly pid: number
}

const between = async (upstream: string): Promise<Between> => {
  if (how === 'nginx' || how === 'bare Node') {
    const start = how === 'nginx' ? startProxy : startBare
    const { path, pid } = await start(directory, upstream)
    return { at: { path }, path: '/v1/accounts/17', pid }
  }
  const secret = how === 'gate with a credential' ? 'canary-bench-0123456789' : null
  const gate = await startGate(directory, configFor(upstream, secret !== null), secret)
  return { at: { path: await gate.door('cel_1', ['caller/0001']) }, path: '/far/v1/accounts/17', pid: gate.pid }
}

const requestFor = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: far\r\naccept: application/json\r\n\r\n`

try {
  const upstream = await startUpstream(directory)
  const [host = '', port = ''] = upstream.split(':')
  const { at, path, pid } = await between(upstream)
  const asked = (what: Pick<Load, 'at' | 'request' | 'connections'>, ms: number) =>
    load({ ...what, bodyBytes: answerBytes, warmMs: warmMs / 2, measureMs: ms })
  await load({ at, request: requestFor(path), connections: 64, bodyBytes: answerBytes, warmMs, measureMs: 100 })
  const before = cpuMs(pid)
  const many = await asked({ at, request: requestFor(path), connections: 64 }, measureMs)
  const spentMs = cpuMs(pid) - before
  const direct = await asked(
    { at: { host, port: Number(port) }, request: requestFor('/v1/accounts/17'), connections: 1 },
    measureMs / 2,
  )
  const one = await asked({ at, request: requestFor(path), connections: 1 }, measureMs / 2)
  stopAll()
  answer({
    'requests/s': many.perSecond,
    'CPU µs a request': (spentMs / many.all) * 1_000,
    'added p50 ms': one.p50Ms - direct.p50Ms,
    'added p99 ms': one.p99Ms - direct.p99Ms,
  })
} finally {
  stopAll()
}
