/**
 * `init`: a swarm that runs: a rehearsal bank, twenty agents, twenty payments. Writes nothing when anything of it is
 * there already.
 */
import { basename, dirname, join, relative, resolve } from 'node:path'
import { failure } from '../../std/std.ts'
import { scaffold } from './init-files.ts'
import { plain } from './text.ts'
import type { Deed } from './verb.ts'

/** A name that configurations take: `My Swarm` becomes `my-swarm`. */
const nameOf = (directory: string): string => {
  const name = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40)
  return name === '' ? 'payouts' : name
}

export const init: Deed = async ({ arguments: [given], options, printer, world }) => {
  const directory = resolve(world.directory, given ?? '.')
  const files = Object.entries(scaffold(nameOf(directory), world.packageFrom ?? world.version))
  const there: string[] = []
  for (const [name] of files) if (await world.disk.exists(join(directory, name))) there.push(name)
  if (there.length > 0) {
    throw failure('conflict', `${directory} has ${there.join(', ')} already: nothing was written`, {
      facts: { wayOut: 'choose an empty directory: `sitter init <dir>`' },
    })
  }
  const names = files.map(([name]) => name)
  if (options.flag('dryRun')) {
    printer.show({ dryRun: true, directory, files: names }, () => [
      `would write to ${plain(directory)}: ${names.join(', ')}`,
    ])
    return 0
  }
  for (const [name, text] of files) {
    const path = join(directory, name)
    await world.disk.makeDirectory(dirname(path), 0o755)
    await world.disk.writeWhole(path, text, 0o644)
  }
  const near = relative(world.directory, directory)
  printer.show({ directory, files: names }, () => [
    `wrote ${names.join(', ')} to ${plain(directory)}`,
    '',
    'next:',
    ...(near === '' ? [] : [`  cd ${plain(near)}`]),
    '  npm install',
    '  npx sitter up --settle payouts.csv',
  ])
  return 0
}
