/** Reads server-sent events line by line (WHATWG HTML, 9.2.6); comments are heartbeats and give nothing. */
export interface ServerMessage {
  readonly id: string | undefined
  readonly event: string
  readonly data: string
}

/** A stream longer than this without an empty line is no event stream: what came is dropped. */
const mostLines = 10_000

/** Takes a line without its end; gives a message when the line completes one. */
export const sseReader = (): ((line: string) => ServerMessage | undefined) => {
  let data: string[] = []
  let id: string | undefined
  let event = 'message'
  return (line) => {
    if (line === '') {
      const message = data.length === 0 ? undefined : { id, event, data: data.join('\n') }
      data = []
      event = 'message'
      return message
    }
    const colon = line.indexOf(':')
    if (colon === 0) return undefined
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data.push(value)
    else if (field === 'event') event = value
    else if (field === 'id' && !value.includes('\0')) id = value
    if (data.length > mostLines) data = []
    return undefined
  }
}
