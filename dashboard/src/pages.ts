/** The pages, in the order of the navigation. */
export interface PageOf {
  /** First part of the address; empty for the overview. */
  readonly name: string
  readonly title: string
}

export const pages: readonly PageOf[] = [
  { name: '', title: 'Overview' },
  { name: 'agents', title: 'Agents' },
  { name: 'tasks', title: 'Tasks' },
  { name: 'dead-letters', title: 'Dead letters' },
  { name: 'settlements', title: 'Settlements' },
  { name: 'inbox', title: 'Inbox' },
  { name: 'credentials', title: 'Credentials' },
  { name: 'log', title: 'Log' },
  { name: 'books', title: 'Audit and ledger' },
]

/** The title of a place: what is looked at, then the page. */
export const titleOf = (path: readonly string[]): string => {
  const [name = '', ...rest] = path
  const page = pages.find((one) => one.name === name)?.title ?? 'No such page'
  return rest.length === 0 ? page : `${rest.join('/')} · ${page}`
}
