/**
 * A sitter's end of the link as a process of its own, so that a test can stop it with SIGSTOP: it opens one cell's door
 * at the gate, and says `open`. Arguments: link socket, the cell's socket.
 */
import { openGateLink } from '../../src/gatelink/gatelink.ts'
import { realClock, realNet, realRandom } from '../../src/std/real/real.ts'

const [socketPath, cellSocket] = process.argv.slice(2) as [string, string]
const link = openGateLink({
  net: realNet(),
  clock: realClock(),
  random: realRandom(),
  socketPath,
  swarm: 'tiny',
  owner: 'held',
  epoch: 1,
  events: { linked: () => console.log('open'), lost: () => {}, call: async () => {}, uses: async () => {} },
})
link.openCell({ cell: 'cel_1', socketPath: cellSocket, type: 'reader', agents: ['reader/0001'], upstreams: ['bank'] })
