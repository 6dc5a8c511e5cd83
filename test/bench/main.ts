import { availableParallelism } from 'node:os'
import { type Bench, type Metrics, metricLine, resultLine } from './figures.ts'

// npm run bench [-- NAME] [--json]. Nothing here passes or fails: it measures, on loopback, in a temporary folder.

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  start: async () => (await import('./start.ts')).start,
  messages: async () => (await import('./messages.ts')).messages,
  rooms: async () => (await import('./rooms.ts')).rooms,
  files: async () => (await import('./files.ts')).files,
  ca: async () => (await import('./ca.ts')).ca,
  large: async () => (await import('./large.ts')).large,
  ui: async () => (await import('./ui.ts')).ui,
}
/** Takes minutes, and tens of GiB of addresses on the disk: only when it is asked for. */
const BY_NAME: ReadonlySet<string> = new Set(['large'])

const names = process.argv.slice(2).filter((argument) => argument !== '--json')
const unknown = names.find((name) => !(name in BENCHES))
if (unknown !== undefined || names.length > 1) {
  process.stderr.write(`usage: npm run bench [-- ${Object.keys(BENCHES).join('|')}] [--json]\n`)
  process.exit(2)
}
const say = (line: string): void => void process.stdout.write(`${line}\n`)
say(`Node ${process.version}, ${availableParallelism()} cores`)

let all: Metrics = {}
for (const [name, load] of Object.entries(BENCHES)) {
  if (names.length > 0 ? !names.includes(name) : BY_NAME.has(name)) continue
  say(`${name} …`)
  const metrics = await (await load())((line) => say(`  ${line}`))
  for (const [key, value] of Object.entries(metrics)) say(metricLine(key, value))
  all = { ...all, ...metrics }
}
if (process.argv.includes('--json')) say(resultLine(names[0] ?? 'all', all))
