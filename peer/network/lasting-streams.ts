import { refusalOf } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { type Frames, openFrames } from '../../shared/network/frames.ts'
import type { Node } from '../../shared/network/node.ts'
import { openMemberStream } from './guard.ts'
import type { Sessions } from './sessions.ts'

/**
 * One stream to each session on which only we speak, opened with the first frame and anew when it is gone. Nobody waits
 * for it: what a slow peer does not take is dropped, so that it costs no memory.
 */
export type LastingStreams = {
  /** Puts a frame in a peer's line. @returns false when the line is full, and the frame is dropped */
  send(peer: PeerId, frame: Uint8Array): boolean
  stop(): void
}

export type LastingParts = {
  readonly node: Node
  readonly sessions: Sessions
  readonly protocol: string
  readonly maxFrameBytes: number
  /** Bytes that may wait for one peer. */
  readonly queueBytes: number
}

type Line = { queue: Uint8Array[]; bytes: number; frames: Frames | null; running: boolean }

export const createLastingStreams = (parts: LastingParts): LastingStreams => {
  const lines = new Map<PeerId, Line>()
  let stopped = false

  const open = async (peer: PeerId): Promise<Frames> => {
    const stream = await openMemberStream(parts.node, parts.sessions, peer, parts.protocol)
    // The other side has nothing to say here.
    return openFrames(stream, { maxFrameBytes: 0, maxSendBytes: parts.maxFrameBytes })
  }
  /** A stream that ended while it was idle is found out by the next frame, which then goes on a new one. */
  const sendOne = async (peer: PeerId, line: Line, frame: Uint8Array): Promise<void> => {
    const old = line.frames
    try {
      line.frames ??= await open(peer)
      await line.frames.send(frame)
    } catch (error) {
      old?.abort('not read')
      if (old === null || refusalOf(error).code === 'too-late') throw error
      line.frames = await open(peer)
      await line.frames.send(frame)
    }
  }
  const run = async (peer: PeerId, line: Line): Promise<void> => {
    line.running = true
    try {
      for (let frame = line.queue.shift(); frame !== undefined && !stopped; frame = line.queue.shift()) {
        line.bytes -= frame.byteLength
        await sendOne(peer, line, frame)
      }
    } catch {
      line.frames?.abort('not read')
      line.frames = null
      line.queue = []
      line.bytes = 0
    } finally {
      line.running = false
    }
  }

  const end = parts.sessions.onChange(({ kind, session: { device } }) => {
    const line = lines.get(device.peerId)
    if (line === undefined || kind === 'began') return
    // The stream may lie on the connection that is about to close; what is on its way still arrives.
    void line.frames?.close()
    line.frames = null
    if (kind === 'ended') lines.delete(device.peerId)
  })

  return {
    send: (peer, frame) => {
      if (stopped || parts.sessions.of(peer) === undefined) return false
      const line = lines.get(peer) ?? { queue: [], bytes: 0, frames: null, running: false }
      lines.set(peer, line)
      if (line.bytes + frame.byteLength > parts.queueBytes) return false
      line.queue.push(frame)
      line.bytes += frame.byteLength
      if (!line.running) void run(peer, line)
      return true
    },
    stop: () => {
      stopped = true
      end()
      for (const { frames } of lines.values()) void frames?.close()
      lines.clear()
    },
  }
}
