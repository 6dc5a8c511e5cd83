import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { type NetworkId, networkPrefix, type PeerId, type RoomId, sha256 } from '../../shared/ids.ts'
import { GOSSIP_MAX_RECORDS } from '../../shared/limits.ts'
import type { Gossip, GossipOpinion } from '../../shared/network/gossip.ts'
import type { Allowance } from '../network/allowance.ts'
import { bundlesOf } from './bundle.ts'
import type { Ingest } from './ingest.ts'
import { isLie } from './lies.ts'
import { type ParsedRecord, parseRecords } from './record.ts'

/** `lanyard/<network>/<room id>` */
export const topicOf = (network: NetworkId, room: RoomId): string => `lanyard/${networkPrefix(network)}/${room}`

/**
 * The message id: SHA-256 of the bytes as sent. It vouches for all of them: with the records' hashes, which leave the
 * signatures out, a spoilt copy that came first would keep out the true one.
 */
export const gossipIdOf = (data: Uint8Array): Uint8Array => sha256(data)

export type GossipParts = {
  readonly gossip: Gossip
  readonly network: NetworkId
  readonly ingest: Pick<Ingest, 'take'>
  readonly allowance: Pick<Allowance, 'spend'>
  /** A peer sent, or passed on, something that is no record of the room. */
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
  /** A peer sent, or passed on, a record that no honest member does; `ingest` tells the user of it. */
  readonly onLie: (peer: PeerId) => void
}

/**
 * Carries fresh records of a room both ways: fast and lossy, sync makes it certain.
 * @returns a function that ends it
 */
export const joinGossip = (parts: GossipParts, room: RoomId): (() => void) => {
  const { gossip, network, ingest, allowance, onFoul, onLie } = parts
  const topic = topicOf(network, room)
  gossip.subscribe(topic, async (data, from): Promise<GossipOpinion> => {
    // Who sends too much is not heard for a moment: sync brings what was true of it.
    if (allowance.spend(from, 'bytes', data.byteLength) > 0) return 'drop'
    const records = parseRecords(data, GOSSIP_MAX_RECORDS)
    if (isRefusal(records) || records.some((record) => record.room !== room)) {
      onFoul(isRefusal(records) ? records : refuse('record-wrong-room'), from)
      return 'foul'
    }
    if (allowance.spend(from, 'records', records.length) > 0) return 'drop'
    const outcomes = await Promise.all(records.map(ingest.take))
    for (const outcome of outcomes) if (outcome !== 'stored' && isLie(outcome)) onLie(from)
    return opinionOf(outcomes)
  })
  return () => gossip.unsubscribe(topic)
}

/** One that is foul spoils the message; one that is new makes it worth passing on. */
const opinionOf = (outcomes: readonly ('stored' | Refusal)[]): GossipOpinion => {
  const opinions = outcomes.map((outcome) => (outcome === 'stored' ? 'pass' : (OPINIONS[outcome.code] ?? 'foul')))
  return opinions.find((one) => one === 'foul') ?? opinions.find((one) => one === 'pass') ?? 'drop'
}

// What an honest member may send us is no foul: it may have more than we do, or not know yet what we know.
const OPINIONS: Partial<Record<Refusal['code'], GossipOpinion>> = {
  'record-replayed': 'drop',
  'record-gap': 'pass', // its signature was checked before it was made to wait
  // Of two forks, each member holds the one that came first, and what its author built upon it.
  'record-equivocation': 'drop',
  'record-broken-chain': 'drop',
  'record-from-future': 'drop', // our clock may be the wrong one
  'certificate-unknown': 'drop',
  'certificate-revoked': 'drop',
  'not-a-member': 'drop',
  removed: 'drop',
  'room-unknown': 'drop',
  'too-many-logs': 'drop', // who passed it on may hold fewer, or other ones
  'storage-failed': 'drop',
  'given-up': 'drop',
}

/** Sends our own records on, in their order; those of a burst several in one message, since each message has its price. */
export const publishRecords = async (
  gossip: Gossip,
  network: NetworkId,
  records: readonly ParsedRecord[],
): Promise<void> => {
  for (const { room, data } of bundlesOf(records)) await gossip.publish(topicOf(network, room), data)
}
