/**
 * One square an agent on a canvas a type. Mouse: hover tells, click describes. Keys: arrows move, Enter describes. The
 * legend counts by state and, pressed, dims every other state; the field beside it finds an agent by its id.
 */
import { signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { AgentMap } from '../../src/doors/api.ts'
import { agents, choose, chosen } from './known.ts'
import { agentId, layoutOf, numberAt, type Layout } from './map-layout.ts'
import { paint, paintKey } from './paint.ts'
import { usePointing } from './pointing.ts'
import { legendOrder, lookOf } from './states.ts'
import { count, counted, coverageText } from './words.ts'

const darkQuery = matchMedia('(prefers-color-scheme: dark)')
const isDark = signal(darkQuery.matches)
darkQuery.addEventListener('change', () => {
  isDark.value = darkQuery.matches
})

/** The one state shown in full colour, null = all. */
const only = signal<string | null>(null)

const Key = ({ state }: { state: string }) => {
  const canvas = useRef<HTMLCanvasElement>(null)
  const dark = isDark.value
  useEffect(() => paintKey(canvas.current!, state, dark), [state, dark])
  return <canvas ref={canvas} class="key" aria-hidden="true" />
}

const Legend = ({ byState }: { byState: AgentMap['byState'] }) => {
  const counts: Readonly<Record<string, number | undefined>> = byState
  const strange = Object.keys(counts).filter((state) => !(legendOrder as readonly string[]).includes(state))
  return (
    <ul class="legend">
      {[...legendOrder, ...strange]
        .filter((state) => (counts[state] ?? 0) > 0)
        .map((state) => (
          <li key={state}>
            <button
              type="button"
              aria-pressed={only.value === state}
              title={lookOf(state).says}
              onClick={() => {
                only.value = only.value === state ? null : state
              }}
            >
              <Key state={state} /> {state} <b>{count(counts[state]!)}</b>
            </button>
          </li>
        ))}
    </ul>
  )
}

type TypeMap = AgentMap['types'][number]

const statesOf = (map: TypeMap, letters: AgentMap['letters']): string[] =>
  [...map.states].map((letter) => letters[letter] ?? 'unknown')

const Tip = ({ id, state, layout, index }: { id: string; state: string; layout: Layout; index: number }) => {
  const column = index % layout.columns
  const left = column * layout.pitch
  const side = column > layout.columns / 2 ? { right: `calc(100% - ${left}px)` } : { left: `${left + layout.pitch}px` }
  return (
    <p
      class="tip"
      style={{ top: `${Math.floor(index / layout.columns) * layout.pitch + layout.pitch}px`, ...side }}
      aria-hidden="true"
    >
      <b>{id}</b> {state}
    </p>
  )
}

const TypeCanvas = ({ map, letters }: { map: TypeMap; letters: AgentMap['letters'] }) => {
  const frame = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const width = useSignal(0)
  const lost = useSignal(0)
  const states = statesOf(map, letters)
  const layout = layoutOf(states.length, Math.max(40, width.value))
  const scale = globalThis.devicePixelRatio
  const idAt = (index: number): string => agentId(map.type, numberAt(map, index)!)
  const pointing = usePointing({ agents: states.length, layout, pick: (index) => choose(idAt(index)) })
  const focus = pointing.at

  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => {
      width.value = Math.floor(entry!.contentRect.width)
    })
    watch.observe(frame.current!)
    // What was painted goes with a graphics process that falls.
    canvas.current!.addEventListener('contextrestored', () => {
      lost.value += 1
    })
    return () => watch.disconnect()
  }, [])
  const [dark, dimmed, wide] = [isDark.value, only.value, width.value]
  useEffect(() => {
    if (wide > 0) paint(canvas.current!, { layout, states, dark, only: dimmed, focus, scale })
    // An answer comes each second, and mostly it is the same map: painting it again would keep a core warm for nothing.
  }, [states.join(), wide, dark, dimmed, focus, scale, lost.value])

  return (
    <div class="type">
      <h3>
        {map.type} <span>{count(states.length)}</span>
      </h3>
      <div class="frame" ref={frame}>
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-roledescription="map of agents"
          aria-label={`${counted(states.length, 'agent')} of type ${map.type}. Arrow keys move, Enter describes.`}
          {...pointing.handlers}
        />
        {focus !== null && <Tip id={idAt(focus)} state={states[focus]!} layout={layout} index={focus} />}
        <p class="spoken" aria-live="polite">
          {pointing.byKey && focus !== null ? `${idAt(focus)} ${states[focus]}` : ''}
        </p>
      </div>
    </div>
  )
}

const Find = () => {
  const text = useSignal('')
  const find = (event: Event): void => {
    event.preventDefault()
    const match = /^\s*([a-z][a-z0-9-]*)\/([0-9]{1,7})\s*$/.exec(text.value)
    if (match !== null) choose(agentId(match[1]!, Number(match[2])))
  }
  return (
    <form class="find" onSubmit={find}>
      <label for="find">Find an agent</label>
      <input
        id="find"
        placeholder="settler/42"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value
        }}
        spellcheck={false}
        autocomplete="off"
      />
      <button>Describe</button>
    </form>
  )
}

export const AgentMaps = () => {
  const map = agents.value
  if (map === null) return null
  const all = map.types.reduce((sum, type) => sum + type.states.length, 0)
  return (
    <section class="agents" aria-labelledby="agents-title" data-chosen={chosen.value ?? undefined}>
      <div class="head">
        <h2 id="agents-title">{counted(all, 'agent')}</h2>
        <p class="coverage">{all === 0 ? '' : coverageText(map.coverage)}</p>
        <Find />
      </div>
      {all === 0 ? (
        <p class="empty">No agent is configured or started yet.</p>
      ) : (
        <>
          <Legend byState={map.byState} />
          {map.types.map((type) => (
            <TypeCanvas key={type.type} map={type} letters={map.letters} />
          ))}
        </>
      )}
    </section>
  )
}
