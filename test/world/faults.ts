/** What goes wrong in a world, each kind at its own random times, as long as the world is not healed. */
import { between } from '../../src/std/std.ts'
import type { HostProcess } from './machine.ts'
import type { FaultKind } from './weather.ts'
import type { World } from './world.ts'

const hourMs = 3_600_000

const pick = <Item>(world: World, list: readonly Item[]): Item | undefined =>
  list[between(world.weather.random, 0, Math.max(0, list.length - 1))]

const host = (world: World): HostProcess | undefined => pick(world, world.machine.list)

/** For a while, unless the world is healed first. */
const forAWhile = (world: World, ms: number, end: () => void): void => {
  world.timeline.after(ms, end)
  world.mend(end)
}

/** At once, or soon after work was given out or a payment went on its way: that is when it hurts. */
const atBadMoment = (world: World, deed: () => void): void => {
  const { random } = world.weather
  if (random.next() < 0.4) return deed()
  const soon = (): void => {
    const ms = random.next() < 0.5 ? between(random, 1, 100) : between(random, 100, 20_000)
    world.timeline.after(ms, () => {
      if (!world.weather.healed) deed()
    })
  }
  if (random.next() < 0.5) world.provider.atNextPayment = soon
  else world.atNextClaim = soon
}

/** Of these the moment matters. */
const timely: ReadonlySet<FaultKind> = new Set([
  'host-stopped',
  'sitter-killed',
  'sitter-stopped',
  'gate-killed',
  'gate-lost',
  'disk-full',
  'record-unknown',
  'machine-stutters',
  'wall-jumps',
])

const stutter = (world: World): void => {
  const { timeline, weather } = world
  // The machine swaps: it runs for a moment, then everything on it stands still for longer than a beat.
  let left = between(weather.random, 4, 9)
  const again = (): void => {
    if (left <= 0 || weather.healed) return
    left -= 1
    timeline.stall(weather.heartbeatMs * (1 + weather.random.next()))
    timeline.after(between(weather.random, 10, 40), again)
  }
  again()
}

const deeds: Record<FaultKind, (world: World) => void> = {
  'host-killed': (world) => host(world)?.end({ code: null, signal: 'SIGKILL' }),
  'host-exits': (world) => host(world)?.end({ code: 1, signal: null }),
  'host-stopped': (world) => {
    const one = host(world)
    if (one === undefined) return
    one.ill('it was stopped')
    one.signal('SIGSTOP', false)
    // Half of them long enough to be given up, half not.
    const { random } = world.weather
    const ms = random.next() < 0.5 ? between(random, 100, 40_000) : between(random, 60_000, 900_000)
    forAWhile(world, ms, () => {
      one.ill('it was stopped', 'just-now')
      one.signal('SIGCONT', false)
    })
  },
  'link-cut': (world) => {
    const one = host(world)
    one?.ill('its link was cut')
    one?.host.cut()
  },
  'sitter-killed': (world) => {
    const how = between(world.weather.random, 0, 2)
    if (how === 0) world.sitter?.process.end()
    else world.disk.deadly = how === 1 ? 'before' : 'after'
  },
  'sitter-stopped': (world) => {
    const { sitter } = world
    sitter?.process.stop()
    forAWhile(world, between(world.weather.random, 1_000, 240_000), () => sitter?.process.goOn())
  },
  'gate-killed': (world) => world.restartGate('kill'),
  'gate-lost': (world) => world.restartGate('lose'),
  'disk-full': (world) => {
    world.setFull(true)
    forAWhile(world, between(world.weather.random, 500, 300_000), () => world.setFull(false))
  },
  'blind-and-silent': (world) => {
    const one = host(world)
    if (one === undefined) return
    one.ill('it was stopped')
    one.signal('SIGSTOP', false)
    world.setFull(true)
    // Three beats and more: its time to be ended comes while nobody may end it.
    forAWhile(world, between(world.weather.random, 200_000, 500_000), () => {
      world.setFull(false)
      one.ill('it was stopped', 'just-now')
      one.signal('SIGCONT', false)
    })
  },
  'disk-slow': (world) => {
    world.disk.slowMs = between(world.weather.random, 20, 3_000)
    forAWhile(world, between(world.weather.random, 10_000, 300_000), () => {
      world.disk.slowMs = 0
    })
  },
  'record-unknown': (world) => {
    world.disk.unknown = world.weather.random.next() < 0.5 ? 'made' : 'not-made'
  },
  'machine-stutters': stutter,
  'wall-jumps': (world) => {
    world.times.jump(between(world.weather.random, -7_200_000, 7_200_000))
  },
  'provider-limits': (world) => {
    world.provider.ailment.limitsUntilMs = world.timeline.monoMs + between(world.weather.random, 1_000, 120_000)
  },
  'provider-sick': (world) => {
    world.provider.ailment.sickUntilMs = world.timeline.monoMs + between(world.weather.random, 1_000, 900_000)
  },
  'agent-kills': (world) => {
    const { weather } = world
    const agent = pick(world, world.sitter?.ready ? world.sitter.fleet.list() : [])?.id
    if (agent === undefined) return
    weather.killers.add(agent)
    forAWhile(world, between(weather.random, 600_000, 6 * hourMs), () => weather.killers.delete(agent))
    for (const one of world.machine.list) if (one.host.seats.has(agent)) one.host.doom(agent)
  },
  'starts-fail': (world) => {
    const { weather, plan } = world
    const type = pick(world, Object.keys(plan.agents))!
    weather.barred.add(type)
    forAWhile(world, between(weather.random, 30_000, 2 * hourMs), () => weather.barred.delete(type))
    // Whoever lives there has to be started anew.
    for (const one of world.machine.list) if (one.host.typeIs(type)) one.end({ code: 1, signal: null })
  },
  person: (world) => world.client.meddle(),
}

export const beginFaults = (world: World): void => {
  const { timeline, weather } = world
  for (const [kind, perHour] of weather.rates) {
    const waitMs = (): number => (-Math.log(1 - weather.random.next()) * hourMs) / perHour
    const strike = (): void => {
      if (weather.healed) return
      const deed = (): void => {
        world.log(`fault ${kind}`)
        deeds[kind](world)
      }
      if (timely.has(kind)) atBadMoment(world, deed)
      else deed()
      timeline.after(waitMs(), strike)
    }
    timeline.after(waitMs(), strike)
  }
}
