/**
 * `npm run hazards [kind …]` (`-- --swarm [short]`: under a whole swarm, see swarm/run.ts): tries every hazard in every
 * kind of cell, really, prints the table and writes it into docs/isolation.md; the columns of kinds that were not asked
 * for stay as they are. On a machine that is busy with other work neighbours are late for its sake: the page tells the
 * load. It ends with 1 when something of a sandbox was not contained.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { openAttacked } from './kinds.ts'
import { list } from './list.ts'
import { measureMachines } from './measure.ts'
import { underFire } from './swarm/run.ts'
import type { KindName, Outcome } from './world.ts'

const page = join(import.meta.dirname, '..', '..', 'docs', 'isolation.md')
const [begin, end] = ['<!-- hazards: written by `npm run hazards` -->', '<!-- hazards: end -->']
const everyKind: readonly KindName[] = ['pool', 'vm', 'process', 'sandbox']

const words: Readonly<Record<Outcome['verdict'], string>> = {
  contained: 'contained',
  'cell-mates': '**cell-mates**',
  neighbours: '**neighbours**',
  got: '**got it**',
  outlives: '**outlives**',
  'not-tried': 'not tried',
  'not-begun': '**not begun**',
}

const cellText = (outcome: Outcome | undefined): string => {
  if (outcome === undefined) return ''
  const detail = outcome.detail
    .replace(/^(refused|ended|cell ended): /, '')
    // What was got is the machine's own (paths, settings): that it was got is what the page says.
    .replace(/^[A-Za-z_]+=[\s\S]*/, 'its variables, in the clear')
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('|', '/')
    .replace(/\/tmp\/\S+/g, '…')
    .replaceAll(/\b(pid )?\d{4,}\b/g, '…')
    .trim()
  return `${words[outcome.verdict]}${detail === '' ? '' : ` (${detail.slice(0, 120)})`}`
}

/** What an earlier run found, by the words of the table. */
const keptOf = (written: string): ((title: string, kind: string) => string | undefined) => {
  const rows = written
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const head = rows[0] ?? []
  return (title, kind) => (head.includes(kind) ? rows.find((row) => row[1] === title)?.[head.indexOf(kind)] : undefined)
}

const main = async (): Promise<number> => {
  const asked = process.argv.slice(2)
  const kinds = asked.length === 0 ? everyKind : everyKind.filter((kind) => asked.includes(kind))
  const { machine, world, close } = await openAttacked()
  const costs = kinds.includes('vm') ? await measureMachines() : ''
  const made = kinds.filter((kind) => kind !== 'sandbox' || machine.bwrap !== null)
  const table = new Map<string, Map<KindName, Outcome>>()
  let open = 0
  try {
    for (const kind of made) {
      // What cannot do the harmless cannot show that the harmful is refused.
      const control = await world.tryHazard(kind, 'control')
      if (control.verdict !== 'got') throw new Error(`no villain can run in a cell of kind ${kind}: ${control.detail}`)
    }
    for (const [hazard, title, only] of list) {
      const row = new Map<KindName, Outcome>()
      table.set(title, row)
      for (const kind of made.filter((one) => only === undefined || one === only)) {
        const outcome = await world.tryHazard(kind, hazard)
        row.set(kind, outcome)
        process.stdout.write(
          `${kind.padEnd(8)} ${title.padEnd(36)} ${outcome.verdict.padEnd(11)} ${outcome.detail.slice(0, 90)}\n`,
        )
        if (kind === 'sandbox' && !['contained', 'not-tried'].includes(outcome.verdict)) open += 1
      }
    }
  } finally {
    await close()
  }
  const bwrap =
    machine.bwrap === null ? 'no bubblewrap' : execFileSync(machine.bwrap, ['--version'], { encoding: 'utf8' }).trim()
  const place = `Linux ${release().split('.').slice(0, 2).join('.')}, ${process.arch}, ${availableParallelism()} cores`
  const who =
    machine.ownUser && machine.plainUser
      ? 'as root, so each sandbox and each process has a user of its own'
      : 'as an ordinary user'
  const load = Math.round(loadavg()[0]!)
  const text = readFileSync(page, 'utf8')
  const kept = keptOf(text.slice(text.indexOf(begin), text.indexOf(end)))
  const lines = [
    begin,
    `Tried on ${place}; Node ${process.versions.node}; ${bwrap}; limits by ${machine.limits.kind}; ${who}; load ${load} at the end (${made.join(', ')}).`,
    ...(costs === '' ? [] : [costs]),
    '',
    `| hazard | ${everyKind.join(' | ')} |`,
    `|---|${everyKind.map(() => '---|').join('')}`,
    ...[...table].map(([title, row]) => {
      const cells = everyKind.map((kind) => (made.includes(kind) ? cellText(row.get(kind)) : (kept(title, kind) ?? '')))
      return `| ${title} | ${cells.join(' | ')} |`
    }),
    end,
  ]
  writeFileSync(
    page,
    text.slice(0, text.indexOf(begin)) + lines.join('\n') + text.slice(text.indexOf(end) + end.length),
  )
  process.stdout.write(`\n${lines.slice(1, -1).join('\n')}\n\n${open} hazards of a sandbox are not contained\n`)
  return open === 0 ? 0 : 1
}

const swarm = process.argv.indexOf('--swarm')
process.exit(await (swarm < 0 ? main() : underFire(process.argv.slice(swarm + 1))))
