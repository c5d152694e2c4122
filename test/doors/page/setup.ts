/** What all tests of the page share: the page, built once where `sitter up` looks for it, and one browser. */
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { build } from 'vite'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Directory of the built page. */
    pageDirectory: string
    /** Where the browser listens. */
    browser: string
  }
}

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const root = join(import.meta.dirname, '../../..')
  const dashboard = join(root, 'dashboard')
  await build({ root: dashboard, configFile: join(dashboard, 'vite.config.ts'), logLevel: 'error' })
  const server = await chromium.launchServer({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  })
  project.provide('pageDirectory', join(root, 'dist/page'))
  project.provide('browser', server.wsEndpoint())
  return () => server.close()
}
