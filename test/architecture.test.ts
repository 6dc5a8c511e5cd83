import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { breaches, readHouse } from './support/layers.ts'

test('the house keeps its layers, its doors and its rules about files', () => {
  const house = readHouse()
  expect(house.length).toBeGreaterThan(50)
  expect(breaches(house)).toEqual([])
})

describe('a breach is seen', () => {
  const broken: readonly (readonly [title: string, path: string, text: string])[] = [
    ['shared imports the peer', 'shared/a.ts', "import { x } from '../peer/peer.ts'"],
    ['shared imports only a type of the CA node', 'shared/a.ts', "import type { X } from '../ca-node/ca.ts'"],
    ['the peer imports the CA node', 'peer/rooms/a.ts', "import { x } from '../../ca-node/ca.ts'"],
    ['the CA node imports the peer', 'ca-node/a.ts', "export { x } from '../peer/peer.ts'"],
    ['the CA node imports it when it runs', 'ca-node/a.ts', "const x = await import('../peer/peer.ts')"],
    ['the peer imports what tests use', 'peer/a.ts', "import { x } from '../test/support/world.ts'"],
    ['an import over several lines', 'shared/a.ts', "import {\n  x,\n  y,\n} from '../peer/peer.ts'"],
    ['an import for its effect', 'shared/a.ts', "import '../peer/peer.ts'"],
    ['an import that is computed', 'shared/a.ts', 'const x = await import(name)'],
    ['a part of node-forge elsewhere', 'shared/certificate/a.ts', "import asn1 from 'node-forge/lib/asn1.js'"],
    ['SQLite elsewhere', 'peer/store/a.ts', "import { DatabaseSync } from 'node:sqlite'"],
    ['SQLite through the back door', 'peer/store/a.ts', "process.getBuiltinModule('node:sqlite')"],
    ['PostgreSQL elsewhere', 'ca-node/registry.ts', "import pg from 'pg'"],
    ['HPKE elsewhere', 'peer/group/a.ts', "import { CipherSuite } from '@hpke/core'"],
    ['libp2p elsewhere', 'peer/network/a.ts', "import type { Stream } from '@libp2p/interface'"],
    ['libp2p itself elsewhere', 'ca-node/a.ts', "import { createLibp2p } from 'libp2p'"],
    ['Noise elsewhere', 'peer/network/a.ts', "import { noise } from '@chainsafe/libp2p-noise'"],
    ['multiaddrs elsewhere', 'shared/a.ts', "import { multiaddr } from '@multiformats/multiaddr'"],
    ['kysely in the peer', 'peer/store/a.ts', "import { Kysely } from 'kysely'"],
    ['fastify elsewhere', 'peer/terminal/a.ts', "import Fastify from 'fastify'"],
    ['Ink elsewhere', 'peer/screen/screen.ts', "import { render } from 'ink'"],
    ['CBOR elsewhere', 'shared/wire/a.ts', "import { decode } from 'cborg'"],
    ['the wall clock', 'peer/a.ts', 'const now = Date.now()'],
    ['the wall clock as a date', 'peer/a.ts', 'const now = new Date()'],
    ['chance', 'peer/a.ts', "import { randomBytes } from 'node:crypto'"],
    ['chance that is none', 'peer/a.ts', 'const jitter = Math.random()'],
    ['a file called index', 'peer/rooms/index.ts', ''],
    ['a file called types', 'shared/types.ts', ''],
    ['a file called utils', 'ca-node/utils.ts', ''],
    ['a long file', 'peer/a.ts', '\n'.repeat(301)],
  ]
  test.each(broken)('%s', (_title, path, text) => {
    expect(breaches([{ path, text }])).toHaveLength(1)
  })

  test('and what is allowed is none', () => {
    const text = [
      "import { createHash } from 'node:crypto'",
      "import { z } from 'zod'",
      "import { x } from '../../shared/codec.ts'",
      "import type { Y } from './y.ts'",
      "// not: import { x } from '../../ca-node/ca.ts', nor Date.now()",
      "/** nor import('libp2p') */",
      'const at = new Date(clock.now())',
    ].join('\n')
    expect(breaches([{ path: 'peer/rooms/a.ts', text }])).toEqual([])
  })
})

describe('the lock file', () => {
  const file = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')
  const locked = z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() })
  const { packages } = z.object({ packages: z.record(z.string(), locked) }).parse(JSON.parse(file))

  test('names no registry: npm ci asks the one that its user has', () => {
    expect(file).not.toContain('"resolved"')
  })

  test('has the optional packages of other platforms too, without which npm ci refuses it', () => {
    const missing = Object.entries(packages).flatMap(([at, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) =>
          packages[`node_modules/${name}`] === undefined && packages[`${at}/node_modules/${name}`] === undefined,
      ),
    )
    expect(missing).toEqual([])
  })
})
