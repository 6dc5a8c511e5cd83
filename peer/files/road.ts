import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import type { NetworkId } from '../../shared/ids.ts'
import { BULK_FROM_BYTES, BULK_RETRY_MS, FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { type Frames, openFrames } from '../../shared/network/frames.ts'
import type { Connection, Node } from '../../shared/network/node.ts'
import { fileProtocol } from '../../shared/wire/file.ts'
import { membersOnly, openMemberStream } from '../network/guard.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import type { Bulk } from './bulk/bulk.ts'

/** How the bytes of files travel between two members: what is said is the same, whatever carries the frames. */
export type FileRoads = {
  /**
   * A road to a member who may hold a file; why there is none, as a value. The signal drops it.
   * @param bytes how much is to be fetched: little is not worth a second connection
   */
  openFileRoad(session: Session, signal: AbortSignal, bytes?: number): Promise<Frames | Refusal>
}

/** What carries the bytes, and why it is not TLS. */
export type RoadTaken = { readonly road: 'tls' } | { readonly road: 'stream'; readonly refusal: Refusal | null }

export type RoadParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  /** Answers on a road that somebody else has opened, and resolves when it is over. */
  readonly converse: (frames: Frames, session: Session) => Promise<void>
  /** TLS, the faster road. */
  readonly bulk: Pick<Bulk, 'open'>
  /** Told when the road to a device is chosen. */
  readonly onRoad: (session: Session, taken: RoadTaken) => void
  /** One that is never set back. */
  readonly monotonic: Clock
}

/** Opens roads, and has every road that comes in answered. TLS where there is a way, the libp2p stream where not. */
export const startFileRoads = async (parts: RoadParts): Promise<FileRoads> => {
  const { node, network, sessions, monotonic } = parts
  /** Connections whose TLS road failed, and when. */
  const failed = new WeakMap<Connection, { readonly at: number; readonly refusal: Refusal }>()
  await node.handle(
    fileProtocol(network),
    membersOnly(sessions, async (stream, session) => {
      const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES, timeoutMs: IDLE_MS })
      await parts.converse(frames, session)
      await frames.close()
    }),
  )
  const openTls = async (session: Session, signal: AbortSignal): Promise<Frames | Refusal> => {
    const { connection } = session
    const before = failed.get(connection)
    if (before !== undefined && monotonic.now() < before.at + BULK_RETRY_MS) return before.refusal
    const fail = (refusal: Refusal): void => void failed.set(connection, { at: monotonic.now(), refusal })
    const road = await parts.bulk.open(session, signal, () => fail(CUT))
    if (isRefusal(road) && !signal.aborted && road.code !== 'busy') fail(road)
    return road
  }
  const openStream = async ({ device }: Session, signal: AbortSignal): Promise<Frames | Refusal> => {
    try {
      const stream = await openMemberStream(node, sessions, device.peerId, fileProtocol(network))
      return openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES, signal })
    } catch (error) {
      return refusalOf(error)
    }
  }
  return {
    openFileRoad: async (session, signal, bytes = Number.POSITIVE_INFINITY) => {
      const tls = bytes < BULK_FROM_BYTES ? null : await openTls(session, signal)
      if (tls !== null && !isRefusal(tls)) {
        parts.onRoad(session, { road: 'tls' })
        return tls
      }
      const stream = await openStream(session, signal)
      if (!isRefusal(stream)) parts.onRoad(session, { road: 'stream', refusal: tls })
      return stream
    },
  }
}

const IDLE_MS = 60_000 // a fetcher whose disk is slow may pause; one that is gone is noticed by its connection
const CUT: Refusal = refuse('road-blocked', 'it broke on its way')
