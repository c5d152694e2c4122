/**
 * Credentials: what the gate holds (fingerprints, never a secret), what is wrong with it, and a new value for one. The
 * value is sealed in this page; the sitter passes on what only the gate can open.
 */
import { useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import type { ConfigAnswer, VaultView } from '../../src/doors/api.ts'
import { useOne } from './asked.ts'
import { Fresh } from './fresh.tsx'
import { Outcome, useSending } from './order.tsx'
import { Said, State } from './parts.tsx'
import { barred } from './role.ts'
import { canSeal, sealTo } from './seal.ts'
import { Clock } from './time.tsx'
import { visible } from './visible.ts'

const everyMs = 10_000

type Held = VaultView['credentials'][number]
interface Configured {
  readonly credentials?: Readonly<Record<string, { readonly pool?: readonly string[] }>>
}

const Table = ({ items }: { items: readonly Held[] }) => (
  <div class="wider" tabIndex={0} role="region" aria-label="Versions held">
    <table>
      <thead>
        <tr>
          <th scope="col">credential</th>
          <th scope="col">state</th>
          <th scope="col">fingerprint</th>
          <th scope="col">set</th>
          <th scope="col">used</th>
        </tr>
      </thead>
      <tbody>
        {items.map((one) => (
          <tr key={`${one.name}@${one.version}`}>
            <th scope="row">
              <Said text={`${one.name}@${one.version}`} />
            </th>
            <td>
              <State of={one.state} />
            </td>
            <td>
              <code>{one.fingerprint}</code>
            </td>
            <td>
              <Clock ms={one.setMs} />
            </td>
            <td>{one.usedMs === null ? 'never' : <Clock ms={one.usedMs} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

/** Calls that go by another account at the moment. */
const Away = ({ fallbacks }: Pick<VaultView, 'fallbacks'>) => (
  <>
    {fallbacks
      .filter(({ by, fallback }) => by === fallback)
      .map(({ credential, fallback, fallbackAccount, why }) => (
        <p class="note" key={credential}>
          What may go by another account goes by <Said text={`${fallback} (account ${fallbackAccount ?? 'unnamed'})`} />{' '}
          instead of <Said text={`${credential}: ${why ?? ''}`} />
        </p>
      ))}
  </>
)

const Faults = ({ vault }: Pick<VaultView, 'vault'>) => (
  <>
    {vault.faults.map(({ name, version, fault }) => (
      <p key={`${name}@${version}`} class="outcome bad" role="alert">
        <b aria-hidden="true">✗</b> {visible(name)}@{version} was {fault} without the vault’s key. It is not used until
        it is set anew.
      </p>
    ))}
    {vault.outside === 'unknown' && (
      <p class="note">
        An older copy of gate.db would not be noticed: its head cannot be kept outside the data directory.
      </p>
    )}
  </>
)

const namesOf = ({ raw }: ConfigAnswer): readonly string[] => {
  const { credentials = {} } = raw as Configured
  return [...new Set(Object.entries(credentials).flatMap(([name, { pool = [name] }]) => pool))].toSorted()
}

const SetForm = ({ sealingKey, names, after }: { sealingKey: string; names: readonly string[]; after: () => void }) => {
  const sending = useSending()
  const name = useSignal('')
  const fault = useSignal<string | null>(null)
  const value = useRef<HTMLInputElement>(null)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    const field = value.current
    if (field === null || field.value === '' || name.value === '' || sending.busy) return
    try {
      const sealed = await sealTo(sealingKey, field.value)
      field.value = ''
      fault.value = null
      const outcome = await sending.order('/api/v1/credentials', { name: name.value, sealed })
      if (outcome?.kind === 'done') after()
    } catch {
      fault.value = 'this browser cannot seal (no X25519): use sitter vault set'
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)} autocomplete="off">
      <p class="field">
        <label for="credential">Credential</label>
        <select
          id="credential"
          required
          value={name.value}
          onChange={(event) => (name.value = event.currentTarget.value)}
        >
          <option value="">choose one</option>
          {names.map((one) => (
            <option key={one} value={one}>
              {visible(one)}
            </option>
          ))}
        </select>
      </p>
      <p class="field">
        <label for="secret">New value (sealed here, shown nowhere)</label>
        <input
          id="secret"
          ref={value}
          type="password"
          required
          autocomplete="off"
          spellcheck={false}
          maxLength={8_192}
        />
      </p>
      <p>
        <button type="submit" disabled={sending.busy}>
          Seal and set
        </button>
      </p>
      {fault.value !== null && (
        <p class="outcome bad" role="alert">
          <b aria-hidden="true">✗</b> Nothing was sent: {fault.value}
        </p>
      )}
      <Outcome sent={sending.sent} done="It is set, and used from now on." />
    </form>
  )
}

const Setting = ({ sealingKey, after }: { sealingKey: string; after: () => void }) => {
  const config = useOne<ConfigAnswer>('/api/v1/config/current', everyMs)
  const why = barred('setCredential')
  if (why !== null) return <p class="empty">{why}</p>
  if (!canSeal())
    return (
      <p class="empty">
        This browser seals nothing for a page that came over plain HTTP from another machine: use{' '}
        <code>sitter vault set</code>.
      </p>
    )
  return (
    <Fresh asked={config}>
      {(answer) =>
        namesOf(answer).length === 0 ? (
          <p class="empty">The configuration has no credentials.</p>
        ) : (
          <SetForm sealingKey={sealingKey} names={namesOf(answer)} after={after} />
        )
      }
    </Fresh>
  )
}

const Vault = () => {
  const asked = useOne<VaultView>('/api/v1/credentials', everyMs)
  return (
    <Fresh asked={asked}>
      {({ credentials, fallbacks, vault, sealingKey }) => (
        <>
          <Faults vault={vault} />
          <Away fallbacks={fallbacks} />
          {credentials.length === 0 ? <p class="empty">No secret yet.</p> : <Table items={credentials} />}
          <h3>Set a new value</h3>
          <Setting sealingKey={sealingKey} after={asked.again} />
        </>
      )}
    </Fresh>
  )
}

export const CredentialsPage = () => (
  <section class="sheet" aria-labelledby="sheet-title">
    <h2 id="sheet-title">Credentials</h2>
    {barred('credentials') === null ? <Vault /> : <p class="empty">{barred('credentials')}</p>}
  </section>
)
