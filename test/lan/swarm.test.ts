import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import { CHUNK_BYTES } from '../../shared/limits.ts'
import { testNetwork } from '../support/certificates.ts'
import { type Driven, startDriver, writeDriverProfile } from '../support/drivers.ts'
import { createLan } from '../support/lan.ts'
import { testInNamespaces } from '../support/namespaces.ts'

const RECEIVERS = 10
const CHUNKS = 24 // eleven real processes share two cores: more would measure the processor

const sha256 = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
const isWhole = (event: PeerEvent): boolean => event.kind === 'file' && event.progress.state === 'whole'

testInNamespaces(
  'ten receivers behind slow links all get a file whole, and the sender sends no more than two copies',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lanyard-swarm-'))
    const lan = createLan(RECEIVERS + 1)
    try {
      const network = testNetwork()
      const names = ['alice', ...Array.from({ length: RECEIVERS }, (_, at) => `bob${at}`)]
      const options = { listen: ['/ip4/0.0.0.0/tcp/0'], mdns: false }
      const peers: Driven[] = []
      for (const [at, host] of lan.hosts.entries()) {
        lan.limit(host, '40mbit')
        const profile = await writeDriverProfile(network, folder, names[at] ?? '', options)
        const driven = await startDriver(profile, host)
        // Each knows those before it, as a newcomer knows a network.
        for (const { ready } of peers)
          await driven.do({ do: 'meet', peer: ready.peer, addresses: [...ready.addresses] })
        peers.push(driven)
      }
      await Promise.all(
        peers.map((one, at) =>
          Promise.all(
            names
              .filter((_, other) => other !== at)
              .map((name) =>
                one.until((event) => event.kind === 'session' && event.change === 'began' && event.user === name),
              ),
          ),
        ),
      )
      const [alice, ...receivers] = peers
      const [sender] = lan.hosts
      if (alice === undefined || sender === undefined) throw new Error('eleven were asked for')
      const path = join(folder, 'film.bin')
      const content = randomBytes(CHUNKS * CHUNK_BYTES)
      await writeFile(path, content)
      const before = lan.sentBy(sender)
      const served = new Map<string, number>()
      const hear = (event: PeerEvent): false => {
        if (event.kind === 'file' && event.progress.state === 'serving')
          served.set(event.progress.device ?? '', event.progress.bytes)
        return false
      }
      void alice.until(hear).catch(() => undefined)
      await alice.do({ do: 'send', path })
      const landed = await Promise.all(
        receivers.map(async (one) => {
          const { event } = await one.until(isWhole)
          return event.kind === 'file' ? (event.progress.path ?? '') : ''
        }),
      )
      const copies = (lan.sentBy(sender) - before) / content.byteLength
      console.log(
        `swarm.test: ${RECEIVERS} receivers, the sender's card sent ${copies.toFixed(2)} copies: ${[...served.values()].map((bytes) => bytes / CHUNK_BYTES).join(' + ')} chunks of ${CHUNKS}`,
      )
      const wanted = await sha256(path)
      for (const one of landed) expect(await sha256(one)).toBe(wanted)
      expect(copies).toBeLessThanOrEqual(2)
    } finally {
      await lan[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  },
  600_000,
)
