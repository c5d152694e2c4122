/**
 * How each state of an agent looks. Colours stay apart for the common kinds of colour blindness (Okabe and Ito's set,
 * toned), and each state has a mark of its own, so that colour is never the only sign.
 */
export type Mark = 'solid' | 'soft' | 'ring' | 'dot' | 'slash' | 'cross' | 'bars' | 'query'

export interface Look {
  readonly light: string
  readonly dark: string
  readonly mark: Mark
  readonly says: string
}

export const looks: Readonly<Record<string, Look>> = {
  busy: { light: '#1f6fb2', dark: '#4ea1e0', mark: 'solid', says: 'has work in hand' },
  idle: { light: '#a9bccb', dark: '#4a5c6b', mark: 'soft', says: 'ready for work' },
  starting: { light: '#2f9fc4', dark: '#63c7e6', mark: 'dot', says: 'on its way up' },
  suspect: { light: '#d98a00', dark: '#f0b03f', mark: 'slash', says: 'silent for too long' },
  backoff: { light: '#a3578a', dark: '#cf86b6', mark: 'ring', says: 'waits before its restart' },
  quarantined: {
    light: '#c2410c',
    dark: '#ff7a45',
    mark: 'cross',
    says: 'restarted too often, waits for its probe or a person',
  },
  paused: { light: '#7a7f2a', dark: '#b9bf5a', mark: 'bars', says: 'paused by a person' },
  hibernating: { light: '#8d8fa8', dark: '#73758e', mark: 'dot', says: 'asleep until there is work' },
  stopping: { light: '#6b7680', dark: '#93a0ab', mark: 'bars', says: 'ends what it has in hand' },
  stopped: { light: '#b9bec3', dark: '#454c53', mark: 'ring', says: 'not running, on purpose' },
  unknown: { light: '#4b4b4b', dark: '#c9c9c9', mark: 'query', says: 'nothing is known' },
}

/** A state that this page does not know is drawn as unknown: never as well. */
export const lookOf = (state: string): Look => looks[state] ?? looks['unknown']!

/** The order of the legend: what needs a person first. */
export const legendOrder = [
  'quarantined',
  'unknown',
  'suspect',
  'backoff',
  'starting',
  'busy',
  'idle',
  'paused',
  'hibernating',
  'stopping',
  'stopped',
] as const
