import { isRefusal } from '../../../shared/errors.ts'
import { fromHex, type RecordHash, type RoomId, toHex } from '../../../shared/ids.ts'
import { FRAME_MAX_BYTES, KEYS_PER_REQUEST } from '../../../shared/limits.ts'
import { openChannel } from '../../../shared/network/channel.ts'
import type { Stream } from '../../../shared/network/node.ts'
import { senderKeyBodyCodec } from '../../../shared/wire/bodies.ts'
import { keysProtocol, keysReplyCodec, keysRequestCodec } from '../../../shared/wire/keys.ts'
import { isMembershipKind, membershipBodyOf } from '../../../shared/wire/membership.ts'
import { syncProtocol, syncReplyCodec, syncRequestCodec } from '../../../shared/wire/sync.ts'
import { type Evidence, type Known, logName, wordsOf } from '../evidence.ts'
import type { SimulatedConnection } from '../network.ts'
import type { Reference } from '../reference.ts'
import type { SeatOfDevice } from '../seat.ts'

/**
 * (3) A device that is removed or revoked, with all objects there are and all keys that it ever had, opens nothing whose
 * author knew of it, and nobody serves it.
 */
export async function* nothingForTheRemoved(evidence: Evidence, reference: Reference): AsyncGenerator<string> {
  const { world } = evidence
  for (const [number, seat] of world.seats.entries()) {
    const revoked = world.journal.revoked.has(number)
    if (reference.isMember(seat.user) && !revoked) continue
    const forbidden = forbiddenTo(evidence, reference, seat, number)
    const boxed = boxesFor(reference.records, seat)
    for (const record of forbidden) {
      const { log, header } = record
      if (boxed.has(`${logName(log)}/${header.key?.epoch}`)) {
        yield `${seat.name} has the sender key of ${wordsOf(evidence, record)}, whose author knew that it is out`
      }
      if (seat.life?.stores.records.get(record.hash)?.key != null) {
        yield `${seat.name} has the key of ${wordsOf(evidence, record)}, whose author knew that it is out`
      }
    }
    yield* served(evidence, reference, seat, forbidden)
  }
}

/** Messages by honest devices that knew that this one is out, and everything that ever brought it in. */
const forbiddenTo = (evidence: Evidence, reference: Reference, seat: SeatOfDevice, number: number): Known[] => {
  const { world } = evidence
  const entries = entriesOf(evidence, reference.room, seat)
  const knewRevoked = new Map(world.journal.said.map(({ hash, knewRevoked }) => [hash, knewRevoked]))
  return reference.records.filter((record) => {
    if (record.header.kind !== 'message' || world.seats[evidence.seatOf(record.log.device)]?.cast.evil !== false) {
      return false
    }
    // What it says itself it knows: it may have taken its removal for void, as long as nobody had vouched for the remover.
    if (record.user === seat.user) return false
    if (knewRevoked.get(record.hash)?.includes(number) === true) return true
    if (reference.membership === null || reference.isMember(seat.user)) return false
    const past = reference.pastOf(record)
    const knewForks = world.journal.knewForks.get(record.hash)
    return entries.every(({ hash }) => past.has(hash)) && !reference.couldBeMember(seat.user, past, knewForks)
  })
}

/** All that may have brought it in, at anybody, at any time: also what lies beyond forks, and counts no more. */
const entriesOf = (evidence: Evidence, room: RoomId, seat: SeatOfDevice): Known[] => {
  const beside = evidence.voids.filter(({ log }) => log.room === room)
  return [...(evidence.known.get(room)?.values() ?? []), ...beside].filter(({ header: { kind }, body, user }) => {
    if (!isMembershipKind(kind) || body === null) return false
    const said = membershipBodyOf(kind, body)
    if (isRefusal(said)) return false
    if (said.kind === 'invite' || said.kind === 'grant') return said.user === seat.user
    return (said.kind === 'join' || said.kind === 'room') && user === seat.user
  })
}

/** Names of the epochs of which a record holds a box for the device. */
const boxesFor = (records: readonly Known[], seat: SeatOfDevice): ReadonlySet<string> => {
  const epochs = new Set<string>()
  for (const { log, header, body } of records) {
    if (header.kind !== 'sender-key') continue
    const said = senderKeyBodyCodec.decode(body ?? new Uint8Array())
    if (isRefusal(said)) continue
    if (said.boxes.some(({ to }) => to === seat.peer)) epochs.add(`${logName(log)}/${said.epoch}`)
  }
  return epochs
}

/** What members answer when it asks them. */
async function* served(
  evidence: Evidence,
  reference: Reference,
  seat: SeatOfDevice,
  forbidden: readonly Known[],
): AsyncGenerator<string> {
  const { room, members, membership } = reference
  const isOut = membership !== null && !reference.isMember(seat.user)
  const isOpen =
    membership !== null && reference.facts.some(({ body }) => body.kind === 'room' && body.access === 'open')
  for (const helper of members.slice(0, 2)) {
    const connectionNow = (): SimulatedConnection | undefined =>
      seat.life?.sessions.of(helper.seat.peer)?.connection as unknown as SimulatedConnection | undefined
    const connection = connectionNow()
    if (connection === undefined) continue
    if (isOut && !isOpen) {
      const records = await askRecords(evidence, seat, connection, room)
      if (records > 0) yield `${helper.seat.name} serves ${records} records to ${seat.name}, which is no member`
    }
    const still = connectionNow()
    if (still === undefined) continue
    const keys = await askKeys(evidence, seat, still, room, forbidden)
    for (const hash of keys) yield `${helper.seat.name} serves ${seat.name} the key of ${hash.slice(0, 6)}`
  }
}

const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }

const askRecords = (evidence: Evidence, seat: SeatOfDevice, connection: SimulatedConnection, room: RoomId) =>
  evidence.world.ask(seat, 'pry records', async () => {
    const stream = connection.newStream(syncProtocol(evidence.world.office.anchor.network))
    const words = { incoming: syncReplyCodec, outgoing: syncRequestCodec }
    const channel = openChannel(stream as unknown as Stream, words, LIMITS)
    await channel.send({ kind: 'heads', room: fromHex(room), heads: [], left: 0 })
    const reply = await channel.receive()
    channel.abort('seen enough')
    return !isRefusal(reply) && reply.kind === 'records' ? reply.records.length : 0
  })

const askKeys = (
  evidence: Evidence,
  seat: SeatOfDevice,
  connection: SimulatedConnection,
  room: RoomId,
  forbidden: readonly Known[],
) =>
  evidence.world.ask(seat, 'pry keys', async (): Promise<RecordHash[]> => {
    const stream = connection.newStream(keysProtocol(evidence.world.office.anchor.network))
    const words = { incoming: keysReplyCodec, outgoing: keysRequestCodec }
    const channel = openChannel(stream as unknown as Stream, words, LIMITS)
    const records = forbidden.slice(-KEYS_PER_REQUEST).map(({ hash }) => fromHex(hash))
    await channel.send({ kind: 'want', room: fromHex(room), records })
    const reply = await channel.receive()
    await channel.close()
    return !isRefusal(reply) && reply.kind === 'keys' ? reply.keys.map(({ record }) => toHex(record) as RecordHash) : []
  })
