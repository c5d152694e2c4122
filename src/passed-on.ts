/**
 * What the programs of a swarm get of the environment and of the flags of Node by which it was started: what they need,
 * and nothing else. A secret in there must not become theirs; and whoever wants to look into the command line (by
 * NODE_DEBUG, an inspector, the keys of its TLS, heap snapshots, traces) must not look into the gate, which would print
 * secrets into logs and open its memory to everybody on the machine.
 */

const names = [
  'PATH',
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  'XDG_RUNTIME_DIR',
  'CREDENTIALS_DIRECTORY',
  // Whom to trust beside the world's authorities: an upstream of one's own has a certificate of one's own.
  'NODE_EXTRA_CA_CERTS',
  'NODE_COMPILE_CACHE',
  // How the loader finds the program, and what it loads before it: all of ours are the same program.
  'LD_LIBRARY_PATH',
  'LD_PRELOAD',
  'FAKETIME_TIMESTAMP_FILE',
  'FAKETIME_CACHE_DURATION',
  'FAKETIME_DONT_FAKE_MONOTONIC',
]

export const environmentFor = (ours: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (ours[name] === undefined ? [] : [[name, ours[name]]])))

/** Flags whose value may be the next word. */
const withValue = new Set([
  '-C',
  '--conditions',
  '-r',
  '--require',
  '--import',
  '--disable-warning',
  '--max-old-space-size',
  '--max-semi-space-size',
  '--max-http-header-size',
  '--dns-result-order',
  '--openssl-config',
  '--secure-heap',
  '--secure-heap-min',
  '--tls-cipher-list',
])
const alone = new Set([
  '--no-warnings',
  '--enable-fips',
  '--force-fips',
  '--tls-max-v1.2',
  '--tls-max-v1.3',
  '--tls-min-v1.2',
  '--tls-min-v1.3',
  '--use-bundled-ca',
  '--use-openssl-ca',
  '--use-system-ca',
])

export interface Flags {
  readonly kept: readonly string[]
  /** By their names: values may be anything. */
  readonly left: readonly string[]
}

/** How its code is found and loaded, how much memory it may take, whom it trusts and by which ciphers. Pure. */
export const flagsFor = (words: readonly string[]): Flags => {
  const kept: string[] = []
  const left: string[] = []
  let isValue = false
  for (const word of words) {
    if (!word.startsWith('-')) {
      if (isValue) kept.push(word)
      isValue = false
      continue
    }
    const [given = '', value] = word.split('=')
    // Node reads both, and keeps what was written.
    const name = given.replaceAll('_', '-')
    isValue = withValue.has(name) && value === undefined
    if (withValue.has(name) || alone.has(name)) kept.push(word)
    else left.push(given)
  }
  return { kept, left }
}

/**
 * Flags of the gate's own. V8 takes what a group of calls leaves behind at once for something that stays, and makes it
 * from then on where it is dear to make and to write: in some runs a fifth of a gate's CPU, in others nothing
 * (decision 0044).
 */
export const gateFlags: readonly string[] = ['--no-allocation-site-pretenuring']
