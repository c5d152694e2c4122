/**
 * What the porter does for the gate: a list of paths for each deed. A gate that was taken over gets no more of root by
 * it than what is here. Pure.
 */
import { basename, dirname, join, resolve } from 'node:path'
import type { Places } from './places.ts'
import type { Deed } from './porter.ts'
import type { KeyPlaces } from './vault/vault.ts'

export interface PorterWorld {
  readonly places: Places
  readonly keyPlaces: KeyPlaces
  readonly swarm: string
}

/** Deeds upon paths; of the others porter-process.ts decides by the configuration. */
export type PathDeed = Exclude<Deed, 'run' | 'heir'>

const headName = /^[0-9a-f]{32}\.json$/
const keyEnd = /^\.(key|key\.next|passphrase|age|key\.former-[0-9a-f]{8})$/

export const mayOpen = ({ places, keyPlaces, swarm }: PorterWorld, deed: PathDeed, path: string): boolean => {
  // What is not in its plain form could be another place.
  if (path !== resolve(path)) return false
  const own = join(keyPlaces.configHome, 'swarmsitter')
  const heads = join(own, 'heads')
  const isHead = dirname(path) === heads && headName.test(basename(path))
  const isVaultRecord = path === join(places.gate, 'vault.json')
  const isKey = basename(path).startsWith(swarm) && keyEnd.test(basename(path).slice(swarm.length))
  const isDoor =
    basename(path) === 'gate.sock' && [places.cells, places.sockets, places.doors].includes(dirname(dirname(path)))
  switch (deed) {
    case 'readTextIfThere':
      return isHead || isVaultRecord || path === join(places.data, 'config', 'current.json')
    case 'writeWhole':
      return isHead || isVaultRecord
    case 'makeDirectory':
      return [places.gate, own, heads].includes(path)
    case 'exists':
      return [places.frozen, join(places.gate, 'gate.db')].includes(path)
    case 'door':
    case 'placeDoor':
      return isDoor
    case 'remove':
      return isDoor || path === places.gateSocket
    case 'keyRead':
      return isKey && [own, keyPlaces.credentialsDirectory].includes(dirname(path))
    case 'keyCreate':
    case 'keyRename':
    case 'keyRemove':
      return isKey && dirname(path) === own
  }
}
