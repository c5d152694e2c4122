/** Addresses of the page's places: read from and written as the part after the `#`. Pure. */

export interface Place {
  readonly path: readonly string[]
  readonly query: Readonly<Record<string, string>>
}

const plain = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    // A half-typed escape is taken as it stands.
    return text
  }
}

export const placeOf = (hash: string): Place => {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2)
  return {
    path: path.split('/').filter(Boolean).map(plain),
    query: Object.fromEntries([...new URLSearchParams(query)].filter(([, value]) => value !== '')),
  }
}

/** The address of a place; empty filters are left out. */
export const hrefOf = (path: readonly string[], query: Readonly<Record<string, string | undefined>> = {}): string => {
  const wanted = Object.entries(query).filter((entry): entry is [string, string] => (entry[1] ?? '') !== '')
  const text = new URLSearchParams(wanted).toString()
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`
}

/** The address of an agent's page; an id is `type/number`. */
export const agentHref = (id: string): string => hrefOf(['agents', ...id.split('/')])

/** What a person typed into the search: an id leads to its page, anything else looks among the agents. */
export const searchHref = (typed: string): string => {
  const text = typed.trim()
  const agent = /^([a-z][a-z0-9-]*)\/([0-9]{1,7})$/.exec(text)
  if (agent !== null) return hrefOf(['agents', agent[1]!, agent[2]!.padStart(4, '0')])
  if (text.startsWith('tsk_')) return hrefOf(['tasks', text])
  if (text.startsWith('set_')) return hrefOf(['settlements', text])
  if (text.startsWith('bat_')) return hrefOf(['tasks'], { batch: text })
  return hrefOf(['agents'], { text })
}
