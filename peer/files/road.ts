import { type Refusal, refusalOf } from '../../shared/errors.ts'
import type { NetworkId } from '../../shared/ids.ts'
import { FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { type Frames, openFrames } from '../../shared/network/frames.ts'
import type { Node } from '../../shared/network/node.ts'
import { fileProtocol } from '../../shared/wire/file.ts'
import { membersOnly, openMemberStream } from '../network/guard.ts'
import type { Session, Sessions } from '../network/sessions.ts'

/** How the bytes of files travel between two members: what is said is the same, whatever carries the frames. */
export type FileRoads = {
  /** A road to a member who may hold a file; why there is none, as a value. The signal drops it. */
  openFileRoad(session: Session, signal: AbortSignal): Promise<Frames | Refusal>
}

export type RoadParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  /** Answers on a road that somebody else has opened, and resolves when it is over. */
  readonly converse: (frames: Frames, session: Session) => Promise<void>
}

/** Opens roads, and has every road that comes in answered. */
export const startFileRoads = async ({ node, network, sessions, converse }: RoadParts): Promise<FileRoads> => {
  await node.handle(
    fileProtocol(network),
    membersOnly(sessions, async (stream, session) => {
      const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES, timeoutMs: IDLE_MS })
      await converse(frames, session)
      await frames.close()
    }),
  )
  return {
    openFileRoad: async ({ device }, signal) => {
      try {
        const stream = await openMemberStream(node, sessions, device.peerId, fileProtocol(network))
        return openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES, signal })
      } catch (error) {
        return refusalOf(error)
      }
    },
  }
}

const IDLE_MS = 60_000 // a fetcher whose disk is slow may pause; one that is gone is noticed by its connection
