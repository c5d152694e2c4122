/** The page, built once where `sitter up` looks for it. */
import { join } from 'node:path'
import { build } from 'vite'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Directory of the built page. */
    pageDirectory: string
  }
}

export default async (project: TestProject): Promise<void> => {
  const root = join(import.meta.dirname, '../../..')
  const dashboard = join(root, 'dashboard')
  await build({ root: dashboard, configFile: join(dashboard, 'vite.config.ts'), logLevel: 'error' })
  project.provide('pageDirectory', join(root, 'dist/page'))
}
