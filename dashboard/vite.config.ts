/** Builds the page into dist/page: two documents, hashed assets, nothing inline (the door's Content-Security-Policy forbids it). */
import { defineConfig } from 'vite'

const here = import.meta.dirname

export default defineConfig({
  root: here,
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/page',
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: { index: `${here}/index.html`, login: `${here}/login.html` } },
  },
})
