/**
 * Real streams as the CLI's input and output: hidden prompts, bounded stdin, and readers that go away in the middle.
 */
import { failure, type Cancel } from '../../std/std.ts'
import { Interrupted, type Input, type Output } from './surroundings.ts'

type Writable = NodeJS.WriteStream
type Readable = NodeJS.ReadStream

const usualColumns = 80
const usualRows = 24

/** `head` closes our stdout when it has seen enough: that is no error, but nothing more needs to be written. */
export const streamOutput = (stream: Writable): Output => {
  let closed = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
    closed = true
  })
  return {
    write: (text) => {
      if (!closed) stream.write(text)
    },
    drained: () =>
      new Promise((resolve) => {
        if (closed || stream.writableLength === 0) return resolve()
        stream.write('', () => resolve())
      }),
    get closed() {
      return closed
    },
    isTerminal: stream.isTTY,
    columns: () => (stream.isTTY && stream.columns > 0 ? stream.columns : usualColumns),
    rows: () => (stream.isTTY && stream.rows > 0 ? stream.rows : usualRows),
  }
}

const readAll = async (stream: Readable, bound: number): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bound) throw failure('too-large', `stdin has more than ${bound} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const controlC = '\u0003'
const controlD = '\u0004'
const controlU = '\u0015'
const erases = new Set(['\u007f', '\b'])

/** Longer lines are cut: nobody types that, and a paste gone wrong must not grow for ever. */
const longestLine = 65_536

/** Raw mode, so that nothing is echoed and Ctrl-C is ours; the terminal is put back whatever happens. */
const readHidden = (stream: Readable): Promise<string> =>
  new Promise((resolve, reject) => {
    let line = ''
    stream.setRawMode(true)
    stream.setEncoding('utf8')
    const end = (): void => {
      stream.setRawMode(false)
      stream.off('data', take)
      stream.pause()
    }
    const take = (text: string): void => {
      for (const character of text) {
        if (character === controlC) {
          end()
          reject(new Interrupted('interrupted'))
          return
        }
        if (character === '\r' || character === '\n' || character === controlD) {
          end()
          resolve(line)
          return
        }
        if (character === controlU) line = ''
        else if (erases.has(character)) line = Array.from(line).slice(0, -1).join('')
        else if (line.length < longestLine) line += character
      }
    }
    stream.on('data', take)
    stream.resume()
  })

/** Raw mode until it is cancelled; then the terminal is put back. */
const readKeys = (stream: Readable, give: (key: string) => void): Cancel => {
  const take = (text: string): void => {
    for (const key of text) give(key)
  }
  stream.setRawMode(true)
  stream.setEncoding('utf8')
  stream.on('data', take)
  stream.resume()
  return () => {
    stream.off('data', take)
    stream.setRawMode(false)
    stream.pause()
  }
}

/** The terminal itself echoes and edits; Ctrl-C arrives as SIGINT and ends the verb. */
const readEchoed = (stream: Readable): Promise<string> =>
  new Promise((resolve) => {
    let text = ''
    stream.setEncoding('utf8')
    const end = (): void => {
      stream.off('data', take)
      stream.off('end', end)
      stream.pause()
      resolve(text.split('\n')[0]!.replace(/\r$/, ''))
    }
    const take = (chunk: string): void => {
      text = (text + chunk).slice(0, longestLine)
      if (text.includes('\n')) end()
    }
    stream.on('data', take)
    stream.on('end', end)
    stream.resume()
  })

/** The stream is looked up when it is needed: opening stdin has effects on a terminal. */
export const streamInput = (stream: () => Readable, isTerminal: boolean): Input => ({
  isTerminal,
  readAll: (bound) => readAll(stream(), bound),
  keys: (take) => readKeys(stream(), take),
  readLine: ({ hidden }) => (hidden ? readHidden(stream()) : readEchoed(stream())),
})
