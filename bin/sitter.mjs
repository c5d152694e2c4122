#!/usr/bin/env node
/**
 * Starts Swarmsitter on a Node that can run it. People's own Node may be older than 26, so this file is plain JavaScript that any
 * Node from 18 on can read: it looks for the Node 26 that was installed beside it, and hands over arguments, signals and exit code.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const wanted = 26
/** As in the CLI's table of exit codes: nothing here that could answer. */
const unavailable = 69

const home = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(join(home, 'package.json'))

const majorOf = (version) => Number(version.split('.')[0])

/** Path of the Node that npm installed for this platform, or undefined. One platform's package has another name than the rest. */
const bundledNode = () => {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  for (const name of [`node-${platform}-${process.arch}`, `node-bin-${platform}-${process.arch}`]) {
    let manifest
    try {
      manifest = require.resolve(`${name}/package.json`)
    } catch {
      // Not installed: the next name, or the message below.
      continue
    }
    const { bin, version } = JSON.parse(readFileSync(manifest, 'utf8'))
    const path = join(dirname(manifest), typeof bin === 'string' ? bin : bin.node)
    if (majorOf(version) >= wanted && existsSync(path)) return path
  }
  return undefined
}

const refuse = (why) => {
  process.stderr.write(
    `sitter: ${why}\n` +
      `  Swarmsitter runs on Node ${wanted} or later; this is ${process.version} on ${process.platform}-${process.arch}.\n` +
      `  Either install it with its own Node:  npm install swarmsitter --include=optional\n` +
      `  or start it with Node ${wanted} or later:    https://nodejs.org/en/download\n`,
  )
  process.exit(unavailable)
}

/** The sources in a checkout, what was built from them in an installed package (Node strips no types inside node_modules). */
const program = () => {
  const sources = join(home, 'src', 'main.ts')
  if (existsSync(sources)) return ['--conditions=source', sources]
  const built = join(home, 'dist', 'main.js')
  return existsSync(built) ? [built] : undefined
}

const passOn = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']
/** What a terminal sends to every process of its foreground group: passed on, the child would get it twice. */
const fromTerminal = ['SIGINT', 'SIGHUP', 'SIGQUIT']
const onTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY)

const runAsChild = (node, args) => {
  const child = spawn(node, args, { stdio: 'inherit' })
  for (const signal of passOn) {
    process.on(signal, () => {
      if (!(onTerminal && fromTerminal.includes(signal))) child.kill(signal)
    })
  }
  child.once('error', (error) => refuse(`${node} does not start: ${error.message}`))
  child.once('exit', (code, signal) => {
    if (code !== null) process.exit(code)
    // Ends the way the child ended, so that a shell sees the signal; 128 + number if this process survives it.
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
    setTimeout(() => process.exit(128 + constants.signals[signal]), 1000)
  })
}

const start = () => {
  const what = program()
  if (what === undefined) return refuse(`neither src/main.ts nor dist/main.js is in ${home}`)
  const args = ['--disable-warning=ExperimentalWarning', ...what, ...process.argv.slice(2)]
  const isNew = majorOf(process.versions.node) >= wanted
  const node = isNew ? process.execPath : bundledNode()
  if (node === undefined) return refuse('the Node that belongs to it is not installed')
  // Becoming the program, instead of being its parent, leaves nothing between it and whoever signals it or waits for it.
  const canBecome = isNew && process.platform !== 'win32' && typeof process.execve === 'function'
  return canBecome ? process.execve(node, [node, ...args], process.env) : runAsChild(node, args)
}

start()
