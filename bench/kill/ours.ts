/**
 * Kills cells one after the other; ready = a new process, and every agent of the cell free for work again. With
 * `standby` each kill waits until a host stands by, without it there is never one.
 */
import { percentile } from '../figures.ts'
import { answer, pause, readAsk, until } from '../programs.ts'
import { openRooms } from '../rooms.ts'

const { directory, options } = readAsk()
const kills = Number(options['kills'])
const standby = Number(options['standby'])
const rooms = await openRooms({ directory, cells: kills, perCell: 10, standby })
const tookMs: number[] = []
for (const { identity } of rooms.fleet.cells()) {
  await pause(200)
  await until(() => rooms.fleet.summary().standbys.ready === standby, 5, 20_000)
  const startMs = performance.now()
  process.kill(identity.pid, 'SIGKILL')
  const isBack = (): boolean =>
    rooms.fleet.freeCount('worker') === rooms.agents &&
    rooms.fleet.cells().every((cell) => cell.identity.pid !== identity.pid)
  await until(isBack, 1, 20_000)
  tookMs.push(performance.now() - startMs)
}
await rooms.close()
answer({ 'ready p50 ms': percentile(tookMs, 0.5), 'ready max ms': Math.max(...tookMs) }, { tookMs })
