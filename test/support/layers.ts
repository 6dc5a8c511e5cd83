import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** One source file, with its path from the root of the repository. */
export type Source = { readonly path: string; readonly text: string }

/** A broken rule of the house, in words. */
export type Breach = `${string}: ${string}`

/** Who may import whom, of our own. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  shared: ['shared'],
  'ca-node': ['ca-node', 'shared'],
  peer: ['peer', 'shared'],
}

/** One door to each dependency: packages, and the only files or folders (ending in `/`) that may import them. */
const DOORS: readonly { readonly packages: RegExp; readonly doors: readonly string[] }[] = [
  { packages: /^node-forge(\/|$)/, doors: ['shared/certificate/x509.ts'] },
  { packages: /^(node:)?sqlite$/, doors: ['ca-node/database.ts', 'peer/store/database.ts'] },
  { packages: /^pg(-.*)?(\/|$)/, doors: ['ca-node/database-postgres.ts'] },
  { packages: /^@hpke\//, doors: ['peer/group/boxes.ts'] },
  { packages: /^(libp2p|@libp2p\/.*|@chainsafe\/.*|@multiformats\/.*)(\/|$)/, doors: ['shared/network/'] },
  { packages: /^kysely(\/|$)/, doors: ['ca-node/'] },
  { packages: /^(fastify|@fastify\/.*|ws)(\/|$)/, doors: ['peer/api/'] },
  { packages: /^cborg(\/|$)/, doors: ['shared/codec.ts'] },
  { packages: /^ink(\/|$)/, doors: ['peer/screen/ink.ts'] },
  { packages: /^string-width(\/|$)/, doors: ['peer/screen/width.ts'] },
  { packages: /^node-emoji(\/|$)/, doors: ['peer/screen/emoji.ts'] },
]

/** Time and chance are arguments: what may be called in one place only. */
const SOURCES_OF_CHANGE: readonly { readonly call: RegExp; readonly doors: readonly string[] }[] = [
  { call: /\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)/, doors: ['shared/clock.ts'] },
  { call: /\brandomBytes\b|\bgetRandomValues\b|\bMath\.random\b|\brandomInt\b/, doors: ['shared/random.ts'] },
  // Names of drafts that are renamed at once: they must not collide, and nothing depends on their value.
  { call: /\brandomUUID\b/, doors: ['shared/folder.ts'] },
]

const NAMELESS = /(^|\/)(index|types|utils)\.tsx?$/

const LINES_MAX = 300
/** Longer files, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'shared/words.ts': 'a table: the words of every refusal',
  'shared/limits.ts': 'a table: every bound with its reason',
  'peer/peer.ts': 'the composition root of a device: wiring, with no rules of its own',
}

/** Everything in `sources` that breaks the layer table, a door, or a rule about files. */
export const breaches = (sources: readonly Source[]): Breach[] => sources.flatMap((source) => breachesOf(source))

const breachesOf = ({ path, text }: Source): Breach[] => {
  const found: Breach[] = []
  const say = (what: string): void => void found.push(`${path}: ${what}`)
  const layer = path.split('/')[0] ?? ''
  const allowed = LAYERS[layer] ?? []
  const code = withoutComments(text)
  for (const specifier of importsOf(code)) {
    if (specifier === null) say('imports what only running it can tell')
    else if (specifier.startsWith('.')) {
      const target = posix.join(posix.dirname(path), specifier).split('/')[0] ?? ''
      if (!allowed.includes(target)) say(`imports ${specifier}, and ${layer} may only import ${allowed.join(' and ')}`)
    } else {
      for (const { packages, doors } of DOORS) {
        if (packages.test(specifier) && !isDoor(doors, path))
          say(`imports ${specifier}, whose door is ${doors.join(', ')}`)
      }
    }
  }
  for (const { call, doors } of SOURCES_OF_CHANGE) {
    const match = call.exec(code)
    if (match !== null && !isDoor(doors, path)) say(`calls ${match[0]}, whose place is ${doors.join(', ')}`)
  }
  if (NAMELESS.test(path)) say('has a name that says nothing')
  const lines = text.split('\n').length - 1
  if (lines > LINES_MAX && LONG_FILES[path] === undefined) say(`has ${lines} lines, more than ${LINES_MAX}`)
  return found
}

const isDoor = (doors: readonly string[], path: string): boolean =>
  doors.some((door) => (door.endsWith('/') ? path.startsWith(door) : path === door))

const IMPORT =
  /\bfrom\s*(['"])([^'"]+)\1|\bimport\s*(['"])([^'"]+)\3|\b(?:import|require|getBuiltinModule)\s*\(\s*([^)]*)\)/g

/** Specifiers of static, type-only, re-exporting and dynamic imports; null for one that is computed. */
const importsOf = (code: string): (string | null)[] =>
  [...code.matchAll(IMPORT)].map(([, , from, , bare, argument]) => from ?? bare ?? literalOf(argument ?? ''))

const literalOf = (argument: string): string | null => /^(['"`])([^'"`$]+)\1$/.exec(argument.trim())?.[2] ?? null

/** Comments may speak of anything. A `//` within a text (an address) stays. */
const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$|\s\/\/\s.*$/gm, '')

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** All our source that runs in a program: not the tests. */
export const readHouse = (): Source[] =>
  Object.keys(LAYERS).flatMap((layer) =>
    readdirSync(`${ROOT}${layer}`, { recursive: true, encoding: 'utf8' })
      .map((name) => `${layer}/${name.replaceAll('\\', '/')}`)
      .filter((path) => /\.(ts|tsx|mts|mjs|js)$/.test(path))
      .map((path) => ({ path, text: readFileSync(`${ROOT}${path}`, 'utf8') })),
  )
