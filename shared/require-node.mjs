import module from 'node:module'
import { fileURLToPath } from 'node:url'

// Preloaded by every script (`node --import`), so it must parse on old Nodes too: plain JavaScript on purpose.
const NEEDED = [24, 15]
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `lanyard needs Node ${NEEDED.join('.')} or newer, and this is ${process.version} (${process.execPath}).\n` +
      'next: run it through npm (npm ci once, then npm run peer, npm run ca …): npm ci brings its own Node 24.\n',
  )
  process.exit(1)
}

// 900 modules are stripped of their types and compiled once, not at each start: half a second of one. Beside the packages,
// where nobody else may write: what lies in the system's folder for temporary files anybody could have put there.
module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/lanyard', import.meta.url)))
