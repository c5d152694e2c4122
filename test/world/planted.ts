/**
 * Bugs that are planted to see whether the worlds find them: pieces of the sources that are replaced as they are loaded,
 * in a process of their own. Nothing of this is in the product. A piece that is not found any more fails loudly: then
 * the bug has to be planted anew.
 */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

interface Piece {
  /** Below `src/`. */
  readonly file: string
  readonly is: string
  readonly becomes: string
}

const sources = join(import.meta.dirname, '..', '..', 'src')

export const planted: Readonly<Record<string, { readonly bug: string; readonly pieces: readonly Piece[] }>> = {
  'no-fence': {
    bug: 'whatever an agent says about a task is taken for its newest attempt',
    pieces: [
      {
        file: 'fleet/frames.ts',
        is: "throw new Failure('stale', `${agent.id} does not have ${id} in hand`)",
        becomes: 'return { id, attempt: null }',
      },
      {
        file: 'work/room.ts',
        is: `const claimed = this.#hand.get(attempt)
    if (claimed?.agent !== agent) return this.#notInHand(agent, attempt)
    return this.#hand.succeed`,
        becomes: `const taskOf = (id: string): string => id.slice(4, id.lastIndexOf('.'))
    const claimed = this.#hand.held.find((one) => taskOf(one.attempt) === taskOf(attempt))
    if (claimed === undefined) return this.#notInHand(agent, attempt)
    return this.#hand.succeed`,
      },
    ],
  },
  'no-self-test': {
    bug: 'who kills for silence does not ask whether it was asleep itself',
    pieces: [
      {
        file: 'fleet/stillness.ts',
        is: 'sinceMs: (thenMs) =>',
        becomes: 'sinceMs: () => 0, heard: (thenMs: number) =>',
      },
      {
        file: 'fleet/verdict.ts',
        is: 'lateMs <= intervalMs / 2',
        becomes: 'lateMs <= Infinity * intervalMs',
      },
    ],
  },
  'no-loop-back': {
    bug: 'who kills for silence does not ask whether its own beats are where it looks for others',
    pieces: [
      { file: 'fleet/silence/ladder.ts', is: 'seesItself?.() ?? true', becomes: 'seesItself === undefined || true' },
    ],
  },
  'no-hold': {
    bug: 'of a cause that ends many nobody goes first: all are started again and again',
    pieces: [
      {
        file: 'fleet/governor/decide.ts',
        is: 'export const mostDeaths = 10',
        becomes: 'export const mostDeaths = 1e9',
      },
    ],
  },
  'no-exit': {
    bug: 'what was opened for protection is never probed: a quarantine has a time and no timer',
    pieces: [
      {
        file: 'fleet/loss.ts',
        is: 'group.cancelDue = live.agenda.after(leftMs, () => groupDue(live, group))',
        becomes: 'group.cancelDue = leftMs > 300_000 ? null : live.agenda.after(leftMs, () => groupDue(live, group))',
      },
      {
        file: 'fleet/loss.ts',
        is: 'agent.cancelDue = live.agenda.after(leftMs, () => ownDue(live, agent))',
        becomes: 'agent.cancelDue = leftMs > 300_000 ? null : live.agenda.after(leftMs, () => ownDue(live, agent))',
      },
    ],
  },
  'no-probe': {
    bug: 'a breaker whose probe has failed waits for that probe: it is never probed again',
    pieces: [
      { file: 'limit/breaker/decide.ts', is: 'probeLostMs = 120_000', becomes: 'probeLostMs = 1e12' },
      {
        file: 'limit/breaker/decide.ts',
        is: 'nextMs: nowMs + waitMs(rule, failures, chance), probeMs: null } }',
        becomes: 'nextMs: nowMs + waitMs(rule, failures, chance), probeMs: nowMs } }',
      },
    ],
  },
  'no-fall': {
    bug: 'who depends on one of its group that was lost goes on as if nothing had been',
    pieces: [
      { file: 'fleet/order/decide.ts', is: "if (strategy === 'one_for_all') return true", becomes: '' },
      { file: 'fleet/order/decide.ts', is: 'place > lostAt', becomes: 'place > lostAt + 1e9' },
    ],
  },
  'no-order': {
    bug: 'a type is started as soon as some of those are ready that it depends on',
    pieces: [{ file: 'fleet/order/decide.ts', is: 'ready + quarantined === of', becomes: 'ready + of > 0' }],
  },
  'waits-again': {
    bug: 'a type that was let go waits again, when one dies of those that it depends on',
    pieces: [
      {
        file: 'fleet/order/starts.ts',
        is: 'order.lookPlanned = false',
        becomes: `order.lookPlanned = false
  for (const type of live.types.keys())
    if (whyShut(live, type) !== null && !order.shut.has(type))
      order.shut.set(type, { sinceMs: 0, sinceWallMs: 0, lateMs: Infinity, late: true, why: '' })`,
      },
    ],
  },
  'clock-that-jumps': {
    bug: 'what is due goes by a clock that somebody puts right',
    pieces: [{ file: 'std/steady.ts', is: 'const most = passedMs * slewed', becomes: 'const most = Infinity' }],
  },
  'absent-at-once': {
    bug: 'a payment that the bank does not know yet is taken for one that it never got',
    pieces: [
      {
        file: 'settle/decide.ts',
        is: '(known.closedMs ?? nowMs) + absentAfterMs',
        becomes: '(known.closedMs ?? nowMs) + 0 * absentAfterMs',
      },
    ],
  },
  'rest-lost': {
    bug: 'what an attempt left of its work is told to people, and the next one is given all of it again',
    pieces: [
      { file: 'work/decide.ts', is: 'error.partial?.rest === undefined', becomes: 'error.partial?.rest !== null' },
    ],
  },
  'told-before-written': {
    bug: 'an agent hears that its work is done before the record has taken it',
    pieces: [
      {
        file: 'work/hand.ts',
        is: 'this.#successes.push({ claimed, finish, resolve, reject })',
        becomes: 'this.#successes.push({ claimed, finish, resolve, reject }); resolve(undefined)',
      },
    ],
  },
}

/** From now on the sources are loaded with this bug. */
export const plant = (name: string): void => {
  const found = planted[name]
  if (found === undefined) throw new Error(`no bug is called ${name}; there are: ${Object.keys(planted).join(', ')}`)
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context)
      const path = url.startsWith('file:') ? fileURLToPath(url) : ''
      const pieces = found.pieces.filter(({ file }) => path === join(sources, file))
      if (pieces.length === 0) return loaded
      let text = Buffer.from(loaded.source as Uint8Array).toString()
      for (const { file, is, becomes } of pieces) {
        if (!text.includes(is)) throw new Error(`the bug ${name} cannot be planted: ${file} does not have: ${is}`)
        text = text.replace(is, () => becomes)
      }
      return { ...loaded, source: text }
    },
  })
}
