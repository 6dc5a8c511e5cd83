import type { Clock } from '../../shared/clock.ts'
import { type Refusal, refusalOf } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { REDIAL_MAX_MS, REDIAL_MIN_MS, REDIAL_TICK_MS } from '../../shared/limits.ts'
import type { Node } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import type { Sessions } from './sessions.ts'

/** Where we learnt of a peer: by multicast, or by an address from the CA, from an earlier session, or from the user. */
export type Source = 'mdns' | 'addresses'

/** What is known about reaching one peer, with the reason when it is not reached. */
export type Sighting = {
  readonly peer: PeerId
  readonly source: Source
  readonly addresses: readonly string[]
  readonly lastRefusal: Refusal | null
}

export type Discovery = {
  /** Dials a peer at these addresses, now and again until there is a session. */
  learn(peer: PeerId, addresses: readonly string[], source: Source): void
  /** Why the last connection with a peer came to nothing. */
  refused(peer: PeerId, refusal: Refusal): void
  sightings(): readonly Sighting[]
  sourceOf(peer: PeerId): Source | undefined
  stop(): void
}

type Entry = Sighting & { readonly failures: number; readonly notBefore: number; readonly dialing: boolean }

export type DiscoveryParts = {
  readonly node: Node
  readonly sessions: Sessions
  readonly clock: Clock
  readonly random: Random
}

/** Finds peers and keeps dialing those without a session, each with back-off and jitter. */
export const startDiscovery = ({ node, sessions, clock, random }: DiscoveryParts): Discovery => {
  const entries = new Map<PeerId, Entry>()
  const update = (peer: PeerId, change: Partial<Entry>): void => {
    const entry = entries.get(peer)
    if (entry !== undefined) entries.set(peer, { ...entry, ...change })
  }

  const dial = async (entry: Entry): Promise<void> => {
    update(entry.peer, { dialing: true })
    try {
      await node.dial(entry.addresses)
      // Whether the hello passes is told by `refused`, or by the session.
      update(entry.peer, { dialing: false, notBefore: clock.now() + REDIAL_MIN_MS })
    } catch (error) {
      const failures = entry.failures + 1
      update(entry.peer, { dialing: false, failures, lastRefusal: refusalOf(error), notBefore: later(failures) })
    }
  }
  const later = (failures: number): number => {
    const wait = Math.min(REDIAL_MAX_MS, REDIAL_MIN_MS * 2 ** Math.min(failures, 10))
    return clock.now() + wait * (0.5 + (random.bytes(1)[0] ?? 0) / 512) // half to whole, so that a group does not dial in step
  }
  const round = (): void => {
    for (const entry of entries.values()) {
      if (!entry.dialing && entry.notBefore <= clock.now() && sessions.of(entry.peer) === undefined) void dial(entry)
    }
  }
  const learn: Discovery['learn'] = (peer, addresses, source) => {
    if (peer === node.peerId || addresses.length === 0) return
    const known = entries.get(peer)
    const news = addresses.some((address) => !known?.addresses.includes(address))
    entries.set(peer, {
      peer,
      source: known?.source === 'mdns' ? 'mdns' : source,
      addresses:
        source === 'mdns' || known === undefined ? addresses : [...new Set([...addresses, ...known.addresses])],
      lastRefusal: known?.lastRefusal ?? null,
      failures: news ? 0 : (known?.failures ?? 0),
      notBefore: news ? 0 : (known?.notBefore ?? 0),
      dialing: known?.dialing ?? false,
    })
    round()
  }

  const ends = [
    node.onDiscovered((peer, addresses) => learn(peer, addresses, 'mdns')),
    sessions.onChange(({ kind, session }) => {
      if (kind === 'began') update(session.device.peerId, { failures: 0, lastRefusal: null })
      if (kind === 'ended') update(session.device.peerId, { notBefore: later(0) })
    }),
  ]
  const timer = setInterval(round, REDIAL_TICK_MS)
  return {
    learn,
    refused: (peer, refusal) => {
      const failures = (entries.get(peer)?.failures ?? 0) + 1
      update(peer, { failures, lastRefusal: refusal, notBefore: later(failures) })
    },
    sightings: () => [...entries.values()],
    sourceOf: (peer) => entries.get(peer)?.source,
    stop: () => {
      clearInterval(timer)
      for (const end of ends) end()
    },
  }
}
