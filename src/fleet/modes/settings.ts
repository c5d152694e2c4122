/** The settings that are held in memory, and which of them is the strictest for somebody. */
import { modeRank, swarmTarget, targetsOf, agentTarget, type Exit, type ModeScope } from '../../model/model.ts'
import type { SwarmConfig } from '../../model/model.ts'
import type { ToldMode } from '../../wire/wire.ts'
import type { EffectiveMode, ModeSetting } from './port.ts'

export type Settings = ReadonlyMap<string, readonly ModeSetting[]>

const active: EffectiveMode = {
  target: swarmTarget,
  source: null,
  mode: 'active',
  reason: '',
  actor: '',
  sinceMs: 0,
  exit: null,
  person: false,
}

export const strictestOf = (settings: readonly ModeSetting[]): ModeSetting | undefined => {
  let strictest: ModeSetting | undefined
  for (const one of settings)
    if (strictest === undefined || modeRank[one.mode] > modeRank[strictest.mode]) strictest = one
  return strictest
}

export const effectiveOf = (settings: Settings, scope: ModeScope): EffectiveMode => {
  if (settings.size === 0) return active
  const strictest = strictestOf(targetsOf(scope).flatMap((target) => settings.get(target) ?? []))
  if (strictest === undefined || strictest.mode === 'active') return active
  return { ...strictest, person: strictest.exit.kind === 'owner' }
}

const configured: Exit = { kind: 'owner', who: 'operator', what: 'another configuration' }

/** Overrides of the configuration, as settings. */
export const overridesOf = ({ agents }: Pick<SwarmConfig, 'agents'>, sinceMs: number): ModeSetting[] =>
  Object.values(agents).flatMap(({ overrides }) =>
    Object.entries(overrides).flatMap(([agent, { mode }]): ModeSetting[] =>
      mode === undefined || mode === 'active'
        ? []
        : [
            {
              target: agentTarget(agent),
              source: 'config',
              mode,
              reason: 'an override of the configuration',
              actor: 'config',
              sinceMs,
              exit: configured,
            },
          ],
    ),
  )

export const gathered = (all: readonly ModeSetting[]): Settings => {
  const settings = new Map<string, ModeSetting[]>()
  for (const one of all) settings.set(one.target, [...(settings.get(one.target) ?? []), one])
  return settings
}

/** What the gate is told: the strictest of each target. */
export const toldModes = (settings: Settings): readonly ToldMode[] =>
  [...settings.values()].flatMap((of) => {
    // Of budgets it has told us: it refuses those calls by their own code, and what costs nothing goes on.
    const strictest = strictestOf(of.filter(({ source }) => source !== 'budget'))
    return strictest === undefined || strictest.mode === 'active'
      ? []
      : [{ target: strictest.target, mode: strictest.mode, reason: strictest.reason.slice(0, 500) }]
  })
