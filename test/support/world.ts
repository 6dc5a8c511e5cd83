import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PeerEvent } from '../../peer/events.ts'
import type { FileOptions } from '../../peer/files/files.ts'
import { createPeer, type Peer } from '../../peer/peer.ts'
import { verifyDevice } from '../../shared/certificate/verify.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { systemRandom } from '../../shared/random.ts'
import { newKey, testNetwork, user } from './certificates.ts'

/** One person with a device, who can go off and come back with the same store. */
export type Resident = {
  readonly name: string
  readonly peer: Peer
  readonly databasePath: string
  /** Stops the device; its store stays. */
  leave(): Promise<void>
  /** Starts it again on the same store. */
  comeBack(): Promise<Peer>
  /** Whether an event that fits has come since the last start. */
  seen(fits: (event: PeerEvent) => boolean): boolean
  /** The first event, past or future, that fits. */
  until(fits: (event: PeerEvent) => boolean): Promise<PeerEvent>
}

type Network = ReturnType<typeof testNetwork>
type Settings = { readonly clock?: Clock; readonly helloTimeoutMs?: number; readonly files?: FileOptions }

/**
 * Real peers on loopback, with real stores, in this process; each knows the addresses of those before it.
 * No multicast: the machine's own network hears nothing.
 */
export const createWorld = async (options: Settings = {}) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanyard-world-'))
  const network = testNetwork()
  const residents: Inhabitant[] = []
  /**
   * @param knows whom it is connected with; all who are there, unless given
   * @param special what is otherwise with this one
   */
  const settle = async (name: string, knows?: readonly Resident[], special: Settings = {}): Promise<Resident> => {
    const own = { ...options, ...special }
    const one = await createInhabitant(network, join(folder, `${name}-${residents.length}.db`), name, own)
    for (const { peer } of knows ?? residents.map(({ resident }) => resident)) {
      one.resident.peer.meet(peer.self.peerId, peer.addresses())
    }
    residents.push(one)
    return one.resident
  }
  return {
    network,
    folder,
    settle,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(residents.map(({ resident }) => resident.leave()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

type Inhabitant = { readonly resident: Resident }

const createInhabitant = async (
  network: Network,
  databasePath: string,
  name: string,
  { clock = systemClock, ...rest }: Settings,
): Promise<Inhabitant> => {
  const key = newKey()
  const certificate = network.issue({ user: user(name), key })
  const self = orThrow(verifyDevice(certificate, { anchor: network.anchor, now: clock.now() }))
  const storeKey = new Uint8Array(randomBytes(32))
  let listen = '/ip4/127.0.0.1/tcp/0'
  let seen: PeerEvent[] = []
  const waiting = new Set<(event: PeerEvent) => void>()

  const start = async (): Promise<Peer> => {
    const peer = await createPeer({
      key,
      anchor: network.anchor,
      self,
      storeKey,
      databasePath,
      downloads: `${databasePath}.downloads`,
      listen: [listen],
      mdns: false,
      clock,
      random: systemRandom,
      ...rest,
    })
    listen = (peer.addresses()[0] ?? listen).replace(/\/p2p\/.*/, '')
    peer.on((event) => {
      seen.push(event)
      for (const tell of waiting) tell(event)
    })
    return peer
  }
  let peer = await start()
  const resident: Resident = {
    name,
    databasePath,
    get peer() {
      return peer
    },
    leave: () => peer.stop(),
    comeBack: async () => {
      await peer.stop()
      seen = []
      peer = await start()
      return peer
    },
    seen: (fits) => seen.some(fits),
    until: (fits) => {
      const before = seen.find(fits)
      if (before !== undefined) return Promise.resolve(before)
      const { promise, resolve } = Promise.withResolvers<PeerEvent>()
      const tell = (event: PeerEvent): void => {
        if (!fits(event)) return
        waiting.delete(tell)
        resolve(event)
      }
      waiting.add(tell)
      return promise
    },
  }
  return { resident }
}

/** Whether an event is this text. */
export const says =
  (text: string) =>
  (event: PeerEvent): boolean =>
    event.kind === 'message' && event.message.content?.kind === 'text' && event.message.content.text === text
