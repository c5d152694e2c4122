/**
 * The built page, read into memory once: a request can name only what was there, so no path is ever made from a
 * request. Assets are hashed and open; the page itself needs a session.
 */
import type { Disk } from '../../std/std.ts'

const mostAssets = 64
const media: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

export interface Asset {
  readonly type: string
  readonly text: string
}
export interface Page {
  /** Undefined when the page was not built. */
  readonly index: string | undefined
  readonly login: string | undefined
  /** By their URL path, `/assets/index-3f2a.js`. */
  readonly assets: ReadonlyMap<string, Asset>
}

const plain = (title: string, body: string): string =>
  '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
  `<title>${title}</title>${body}</html>`

/** Without a built page the way in still works, only without style. */
const plainLogin = plain(
  'Sign in',
  '<main><h1>Sign in</h1><!--message--><form method="post" action="/login">' +
    '<label>Operator token <input name="token" type="password" autocomplete="off" required></label> ' +
    '<button>Sign in</button></form></main>',
)

const plainIndex = plain(
  'Swarmsitter',
  '<main><h1>The page is not built</h1><p>Run <code>npm run build:page</code>, then start ' +
    'again. The API and the CLI work without it.</p></main>',
)

/** What of a build directory the door serves. A missing directory is a page that was not built. */
export const readPage = async (disk: Disk, directory: string): Promise<Page> => {
  const assets = new Map<string, Asset>()
  for (const file of (await disk.list(`${directory}/assets`)).slice(0, mostAssets)) {
    const type = media[file.slice(file.lastIndexOf('.') + 1)]
    if (type !== undefined)
      assets.set(`/assets/${file}`, { type, text: await disk.readText(`${directory}/assets/${file}`) })
  }
  return {
    index: await disk.readTextIfThere(`${directory}/index.html`),
    login: await disk.readTextIfThere(`${directory}/login.html`),
    assets,
  }
}

const html = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response =>
  new Response(text, {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', ...headers },
  })

/** The form that takes a token; `message` is one of our own sentences, never text of the request. */
export const loginPage = (page: Page, status: number, message: string): Response =>
  html(
    status,
    (page.login ?? plainLogin).replace('<!--message-->', () => `<p class="message" role="status">${message}</p>`),
    status === 401 ? { 'www-authenticate': 'Bearer realm="swarmsitter"' } : {},
  )

export const indexPage = (page: Page): Response => html(200, page.index ?? plainIndex)

/**
 * Opens the session and goes on to the page by a fresh navigation of our own: a redirect in a chain that began
 * elsewhere would come without the SameSite=Strict cookie.
 */
export const enter = (cookie: string): Response =>
  html(
    200,
    plain('Signed in', '<meta http-equiv="refresh" content="0;url=/"><p>Signed in. <a href="/">Open the page</a></p>'),
    { 'set-cookie': cookie },
  )

export const assetAnswer = ({ type, text }: Asset): Response =>
  new Response(text, { headers: { 'content-type': type, 'cache-control': 'public, max-age=31536000, immutable' } })
