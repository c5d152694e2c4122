/**
 * Which test hits which bound and sees its refusal, at the sender alone. docs/bounds.md tells the bounds; a title or
 * file that is gone fails here, and so does a bound of the page that is in no line of these.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const kept: readonly (readonly [bound: string, file: string, title: string])[] = [
  ['frame 256 KiB', 'cell/hostile.test.ts', 'A frame beyond 256 KiB is refused without being kept'],
  ['frame 256 KiB', 'wire/lines.test.ts', 'A frame may be as large as its bound, and no byte larger'],
  ['payload 256 KiB', 'doors/http/writes.test.ts', 'a payload over its own bound'],
  ['result 256 KiB', 'wire/check.test.ts', 'A result beyond 256 KiB is refused, one that fits is taken'],
  ['JSON depth 64', 'wire/lines.test.ts', 'A bomb of brackets is refused before it is parsed'],
  ['JSON depth 64', 'doors/http/writes.test.ts', 'depth within strings is no depth, and 64 levels pass'],
  ['error stack 16 KiB', 'wire/check.test.ts', 'A stack is cut at 16 KiB, a log line too'],
  ['log line 16 KiB', 'record/log.test.ts', 'A line over 16 KiB loses its fields'],
  ['HTTP body 1 MiB', 'doors/http/writes.test.ts', 'more than 1 MiB'],
  ['HTTP body 1 MiB', 'doors/http/writes.test.ts', 'an endless body is cut at the bound'],
  ['NDJSON line 1 MiB', 'doors/http/writes.test.ts', 'a line over its bound is refused alone'],
  ['1,000,000 lines', 'doors/http/lines.test.ts', 'after the last line that a batch may have'],
  ['a limit over upstreams', 'limit/over.test.ts', 'Who would wait too long for its type is told a time of its own'],
  ['1,000 frames/s, burst 5,000', 'cell/flow.test.ts', 'A burst of 5,000 and then 1,000 a second pass'],
  ['1,000 frames/s, burst 5,000', 'cell/hostile.test.ts', 'A flood is dropped and counted'],
  ['park 100 ms', 'work/room.test.ts', 'a task that parks until now, or until a time that is past, is given out'],
  ['25 and 150 wakes a second', 'fleet/hibernate/hibernate.test.ts', 'wake no more a second than the bucket gives'],
  ['25 and 150 wakes a second', 'fleet/hibernate/machines.test.ts', 'are woken at the host’s pace'],
  ['4 GB asleep', 'cell/vm-beds.test.ts', 'are bounded together'],
  ['4 GB asleep', 'fleet/hibernate/machines.test.ts', 'Without room nobody loses anything'],
  ['`hibernate.awake`', 'fleet/hibernate/hibernate.test.ts', 'No more are awake at once than the type allows'],
  ['3 in quarantine', 'fleet/hibernate/hibernate.test.ts', 'another is woken only when it is given up'],
  [
    '5 % of memory left, 10 % of the time waiting for it',
    'fleet/admission/admission.test.ts',
    'While the host is short nothing new starts',
  ],
  ['garbage', 'bounds/garbage.test.ts', 'cost only their sender its cell'],
  ['30 s to finish', 'fleet/reconfigure.test.ts', 'what is not finished in time is given back without cost'],
  ['cell memory 256 MB', 'cell/limits.test.ts', 'Who takes more memory than it may is killed'],
  ['agent memory 8 MB', 'cell/vm.test.ts', "['a leak', 'leak', 'vm-memory', 'more than its 8 MB']"],
  ['agent slice 100 ms', 'cell/vm.test.ts', "['an endless loop', 'loop', 'vm-slice', 'more than its slice of 100 ms']"],
  ['cell CPU 1 core', 'cell/limits.test.ts', 'Who takes more CPU than it may is held back'],
  ['cell processes 64', 'cell/limits.test.ts', 'More processes than it may have are refused'],
  ['cell disk 64 MB', 'cell/walls.test.ts', 'A disk that is full is named, and is no more than was given'],
  ['cell files 256', 'cell/limits.test.ts', 'Open files and core dumps are bounded'],
  ['unread output 8 MiB', 'cell/hostile.test.ts', 'A client that does not read is ended when 8 MiB wait for it'],
  ['20,000 metric series', 'record/metrics.test.ts', 'Series over the bound are left out'],
  ['log look 64 MiB', 'record/log.test.ts', 'A look stops at its bytes as they were read'],
  ['list page 1,000', 'doors/http/lists.test.ts', '/api/v1/agents?limit=1001'],
  ['SSE buffer 1 MiB', 'doors/http/stream.test.ts', 'a client that does not read is cut at the bound'],
  ['1,024 connections', 'doors/http/admission.test.ts', 'over the bound of connections the answer is 503'],
  ['1,024 connections', 'bounds/slow-sockets.test.ts', '3,000 slow sockets'],
  ['a request in 60 s', 'doors/http/admission.test.ts', 'a request that never ends is answered 408'],
  ['gate body 32 MiB', 'gateway/doors.test.ts', 'a body over the bound is refused before anything is sent'],
  ['gate head 16 KiB, 256 headers', 'gateway/framing.test.ts', 'B14: a header flood is refused whole'],
  [
    '1,024 calls, 1,024 connections',
    'gateway/bombs.test.ts',
    'a connection that asks thousands of things at once has a thousand in hand',
  ],
  ['1,000 connections', 'cell/bridge.test.ts', 'the 1,001st connection at once of a program with a proxy is closed'],
  ['WebSocket message 1 MiB', 'gateway/sockets/sockets.test.ts', 'a message over its bound ends the socket with 1009'],
  ['WebSocket side 30 s', 'gateway/sockets/sockets.test.ts', 'a side that is not heard of for 30 s'],
  ['WebSocket side 30 s', 'gateway/sockets/sockets.test.ts', 'a side that does not read for as long as a call may'],
  ['TLS handshake 10 s', 'gateway/proxy/tunnels.test.ts', 'a tunnel whose handshake is not done within 10 s is cut'],
  ['unpacked answer 32 MiB', 'gateway/bombs.test.ts', 'an answer that unpacks to hundreds of megabytes is cut'],
  ['signed body 1 MiB', 'gateway/signed.test.ts', 'a body that is to be signed has a bound and is text'],
  ['a budget', 'gateway/budgets.test.ts', 'an agent spends its budget and not one call more'],
  ['16 calls of 20,000 agents', 'gateway/repeats.test.ts', 'It is bounded by agents and by calls of each'],
  ['20,000 uses of secrets', 'gateway/uses.test.ts', 'when 20,000 uses wait for the audit log nothing is used'],
  ['50,000 writes', 'bounds/record.test.ts', '50,000 writes may wait for the record'],
  ['disk', 'storage/record-full.test.ts', 'a full disk refuses writes, goes on reading'],
  ['disk', 'storage/gate-full.test.ts', 'with its disk full the gate sends nothing'],
  ['disk', 'storage/swarm-full.slow.ts', 'a paying swarm whose disk fills answers 503'],
]

test.each(kept)('%s is hit in %s by “%s”', (_bound, file, title) => {
  expect(readFileSync(join(import.meta.dirname, '..', file), 'utf8')).toContain(title)
})

test('docs/bounds.md tells each of these bounds, and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'bounds.md'), 'utf8')
  const told = [...page.matchAll(/^\| ([^|]+) \|/gm)].map(([, bound]) => bound!).filter((one) => one !== 'bound')
  expect(new Set(told)).toEqual(new Set(kept.map(([bound]) => bound)))
  expect(new Set(told).size).toBe(told.length)
})
