import { concat } from 'uint8arrays/concat'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { type NetworkId, networkPrefix, type PeerId, type RoomId, sha256 } from '../../shared/ids.ts'
import { GOSSIP_MAX_BYTES, GOSSIP_MAX_RECORDS } from '../../shared/limits.ts'
import type { Gossip, GossipOpinion } from '../../shared/network/gossip.ts'
import type { Ingest } from './ingest.ts'
import { encodeRecord, type ParsedRecord, parseRecords } from './record.ts'

/** `lanyard/<network>/<room id>` */
export const topicOf = (network: NetworkId, room: RoomId): string => `lanyard/${networkPrefix(network)}/${room}`

/**
 * The message id: SHA-256 of the bytes as sent. It vouches for all of them: with the records' hashes, which leave the
 * signatures out, a spoilt copy that came first would keep out the true one.
 */
export const gossipIdOf = (data: Uint8Array): Uint8Array => sha256(data)

export type GossipRoom = {
  readonly gossip: Gossip
  readonly network: NetworkId
  readonly room: RoomId
  readonly ingest: Pick<Ingest, 'take'>
  /** A peer sent, or passed on, something that is no record of the room. */
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
}

/** Carries fresh records of a room both ways: fast and lossy, sync makes it certain. */
export const joinGossip = ({ gossip, network, room, ingest, onFoul }: GossipRoom): void => {
  gossip.subscribe(topicOf(network, room), async (data, from): Promise<GossipOpinion> => {
    const records = parseRecords(data, GOSSIP_MAX_RECORDS)
    if (isRefusal(records) || records.some((record) => record.room !== room)) {
      onFoul(isRefusal(records) ? records : refuse('record-wrong-room'), from)
      return 'foul'
    }
    return opinionOf(await Promise.all(records.map(ingest.take)))
  })
}

/** One that is foul spoils the message; one that is new makes it worth passing on. */
const opinionOf = (outcomes: readonly ('stored' | Refusal)[]): GossipOpinion => {
  const opinions = outcomes.map((outcome) => (outcome === 'stored' ? 'pass' : (OPINIONS[outcome.code] ?? 'foul')))
  return opinions.find((one) => one === 'foul') ?? opinions.find((one) => one === 'pass') ?? 'drop'
}

// What an honest member may send us is no foul: it may have more than we do.
const OPINIONS: Partial<Record<Refusal['code'], GossipOpinion>> = {
  'record-replayed': 'drop',
  'record-gap': 'pass', // its signature was checked before it was made to wait
  // Of two forks, each member holds the one that came first, and what its author built upon it.
  'record-equivocation': 'drop',
  'record-broken-chain': 'drop',
  'record-from-future': 'drop', // our clock may be the wrong one
  'certificate-unknown': 'drop',
  'storage-failed': 'drop',
}

/** Sends our own records on, in their order; those of a burst several in one message, since each message has its price. */
export const publishRecords = async (
  gossip: Gossip,
  network: NetworkId,
  records: readonly ParsedRecord[],
): Promise<void> => {
  for (const { room, data } of messagesOf(records)) await gossip.publish(topicOf(network, room), data)
}

type GossipMessage = { readonly room: RoomId; readonly data: Uint8Array }

function* messagesOf(records: readonly ParsedRecord[]): Generator<GossipMessage> {
  for (const [room, ofRoom] of Map.groupBy(records, (record) => record.room)) {
    let parts: Uint8Array[] = []
    let size = 0
    for (const { wire } of ofRoom) {
      const part = encodeRecord(wire)
      if (parts.length === GOSSIP_MAX_RECORDS || (size > 0 && size + part.byteLength > GOSSIP_MAX_BYTES)) {
        yield { room, data: concat(parts) }
        parts = []
        size = 0
      }
      parts.push(part)
      size += part.byteLength
    }
    yield { room, data: concat(parts) }
  }
}
