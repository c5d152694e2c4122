/** The log of everything: watch, sitter, gate, rehearsals and agents. */
import { Log } from './log.tsx'
import { place } from './route.ts'

export const LogPage = () => (
  <section class="sheet" aria-labelledby="sheet-title">
    <h2 id="sheet-title">Log</h2>
    <p class="hint">
      What the programs of the swarm said, newest last. The same in a terminal: <code>sitter logs -f</code>
    </p>
    <Log id={place.value.query['id']} who />
  </section>
)
