import type { KeyObject } from 'node:crypto'
import { type Bulk, startBulk } from '../../peer/files/bulk/bulk.ts'
import { type FileRoads, type RoadTaken, startFileRoads } from '../../peer/files/road.ts'
import { createSessions, type Sessions } from '../../peer/network/sessions.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow, type Refusal } from '../../shared/errors.ts'
import { BULK_MESSAGE_MAX_BYTES } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { createNode, type Node, type Stream } from '../../shared/network/node.ts'
import { systemRandom } from '../../shared/random.ts'
import { type BulkReply, bulkReplyCodec, bulkRequestCodec } from '../../shared/wire/bulk.ts'
import { newKey, type TestNetwork } from './certificates.ts'

/** One end of the roads for files: a real node, real TLS, and a holder that says what it hears. */
export type RoadEnd = AsyncDisposable & {
  readonly key: KeyObject
  readonly device: VerifiedDevice
  readonly node: Node
  readonly sessions: Sessions
  readonly bulk: Bulk
  readonly roads: FileRoads
  /** Who was turned away at the TLS door, and why. */
  readonly turnedAway: Refusal[]
  /** The roads that were taken from here. */
  readonly taken: RoadTaken[]
  /** How much later than it is the tickets think it is, milliseconds. */
  ahead: number
  /** Serial numbers that the verifier takes as revoked. */
  readonly revoked: Set<string>
  /** Connects, and admits each other at once. */
  meet(other: RoadEnd): Promise<void>
}

type RoadEndOptions = { readonly misleads?: Extract<BulkReply, { kind: 'door' }>; readonly handshakeMs?: number }

/**
 * @param options `handshakeMs`: that a stranger at its door has; `misleads`: a holder that answers everybody with this door, and not with one of its
 * own
 */
export const createRoadEnd = async (
  network: TestNetwork,
  user: string,
  { misleads, handshakeMs }: RoadEndOptions = {},
): Promise<RoadEnd> => {
  const key = newKey()
  const revoked = new Set<string>()
  const verify = (certificate: Uint8Array, remoteSpki?: Uint8Array) =>
    verifyDevice(certificate, {
      anchor: network.anchor,
      now: network.clock.now(),
      remoteSpki,
      revoked: (serial) => revoked.has(serial),
    })
  const device = orThrow(verify(network.issue({ user, key })))
  const node = await createNode({ key, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const sessions = createSessions(device.peerId)
  node.onDisconnection((connection) => sessions.drop(connection))
  const turnedAway: Refusal[] = []
  const taken: RoadTaken[] = []
  const late = { ahead: 0 }
  const common = {
    node,
    network: network.network,
    sessions,
    converse: echo,
    monotonic: { now: () => systemClock.now() + late.ahead },
  }
  const bulk = await startBulk({
    ...common,
    node: misleads === undefined ? node : { ...node, handle: (protocol) => node.handle(protocol, mislead(misleads)) },
    key,
    shown: () => device.certificate,
    verify,
    onTurnedAway: (refusal) => turnedAway.push(refusal),
    random: systemRandom,
    ...(handshakeMs === undefined ? {} : { handshakeMs }),
  })
  const roads = await startFileRoads({ ...common, bulk, onRoad: (_session, road) => taken.push(road) })
  return {
    key,
    device,
    node,
    sessions,
    bulk,
    roads,
    turnedAway,
    taken,
    revoked,
    get ahead() {
      return late.ahead
    },
    set ahead(ms) {
      late.ahead = ms
    },
    meet: async (other) => {
      const inbound = new Promise<void>((resolve) => {
        const end = other.node.onConnection((connection) => {
          end()
          other.sessions.admit(device, connection)
          resolve()
        })
      })
      sessions.admit(other.device, await node.dial(other.node.addresses()))
      await inbound
    },
    [Symbol.asyncDispose]: async () => {
      await bulk.stop()
      await node.stop()
    },
  }
}

const mislead =
  (door: BulkReply) =>
  async (stream: Stream): Promise<void> => {
    const words = { incoming: bulkRequestCodec, outgoing: bulkReplyCodec }
    const channel = openChannel(stream, words, { maxFrameBytes: BULK_MESSAGE_MAX_BYTES })
    await channel.receive()
    await channel.send(door)
    await channel.close()
  }

const echo = async (frames: Frames): Promise<void> => {
  for (;;) {
    const frame = await frames.receive()
    if (!(frame instanceof Uint8Array)) return
    await frames.send(frame)
  }
}
