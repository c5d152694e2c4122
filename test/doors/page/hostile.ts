/** Texts that an agent, a payee or a provider may send, each of which has hurt a page somewhere. */
import type { Page } from 'playwright-core'

export const hostile = [
  '<script>window.pwned=1</script>',
  '<img src=x onerror="window.pwned=1">',
  '"><svg onload=window.pwned=1>',
  "javascript:window.pwned=1//'",
  '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
  '</textarea></script><script>window.pwned=1</script>',
  '{{constructor.constructor("window.pwned=1")()}}',
  '<!--<a href="javascript:window.pwned=1">click</a>-->',
  'paid to \u202eadA\u202c \u2066hidden\u2069',
  'zero\u200bwidth\u200d and \ufeff and \u00ad',
  'bell\u0007 escape\u001b[31m\u001b]52;c;cHduZWQ=\u0007 null\u0000',
  'tag \u{e0041}\u{e007f} end',
  '=HYPERLINK("http://evil.test")',
] as const

/** All of them in one line. */
export const allHostile = hostile.join(' | ')

/** What of the page is neither text nor ours: elements that markup in a text would make, and invisible letters. */
export const strangeIn = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`(() => {
    const found = []
    if (window.pwned !== undefined) found.push('a script ran')
    for (const one of document.querySelectorAll('main iframe, main img, main svg, main script, dialog img, dialog svg'))
      found.push(one.outerHTML)
    for (const one of document.querySelectorAll('a[href]'))
      if (!/^(#|\\/)/.test(one.getAttribute('href'))) found.push(one.getAttribute('href'))
    const hidden = /[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff]|[\\u{e0000}-\\u{e007f}]/u
    if (hidden.test(document.body.textContent + document.title)) found.push('an invisible letter')
    return found
  })()`)
