/** Opens a vault over the files of a place, as the gate does. */
import { join } from 'node:path'
import { realKeyFiles } from '../../src/gate.ts'
import { realClock, realDisk, realRandom } from '../../src/std/real/real.ts'
import { secretFault } from '../../src/gateway/gateway.ts'
import { Failure, idMaker } from '../../src/std/std.ts'
import { openGateBook, type GateBook } from '../../src/store/store.ts'
import { openOutside, openVault, unlockVault, type Vault } from '../../src/vault/vault.ts'
import { openSealed } from '../../src/wire/seal.ts'

export interface Opened {
  readonly vault: Vault
  readonly book: GateBook
}
export const openAt = async (
  root: string,
  configHome = join(root, 'config'),
  credentialsDirectory: string | null = null,
): Promise<Opened> => {
  const random = realRandom()
  const disk = realDisk()
  const directory = join(root, 'gate')
  const keyFiles = realKeyFiles()
  const places = { credentialsDirectory, configHome }
  const unlocked = await unlockVault({ swarm: 'testswarm', directory, disk, random, keyFiles, places })
  const path = join(configHome, 'swarmsitter', 'heads', `${unlocked.vaultId}.json`)
  const book = openGateBook(join(directory, 'gate.db'), () => idMaker(realClock(), random)('gat'))
  try {
    const vault = await openVault({
      unlocked,
      book,
      clock: realClock(),
      random,
      openSealed,
      known: (name) => name.startsWith('bank'),
      checkForm: (_, text) => {
        const found = secretFault({ kind: 'bearer' }, text)
        if (found !== undefined) throw new Failure('invalid', found.fault)
      },
      directory,
      disk,
      source: { swarm: 'testswarm', files: keyFiles, places },
      outside: openOutside({ path, disk, onFault: () => {} }),
    })
    return { vault, book }
  } catch (error) {
    void book.close()
    throw error
  }
}
