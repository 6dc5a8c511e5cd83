import type { Stream } from '@libp2p/interface'
import type { Codec } from '../codec.ts'
import { isRefusal, type Refusal } from '../errors.ts'
import { type FrameLimits, openFrames } from './frames.ts'

/** A conversation on one stream: typed messages both ways, each in one frame. */
export type Channel<Incoming, Outgoing> = {
  /** @throws LanyardError `stream-closed` or `too-late` */
  send(message: Outgoing): Promise<void>
  /** The next message, or why there is none: `frame-too-large`, `frame-malformed`, `too-late`, `stream-closed`. */
  receive(timeoutMs?: number): Promise<Incoming | Refusal>
  /** Ends our side in good order; what was sent still arrives. */
  close(): Promise<void>
  /** Drops the stream at once, in both directions. */
  abort(reason: string): void
}

/** What each side of a conversation may say. */
export type Words<Incoming, Outgoing> = {
  readonly incoming: Codec<Incoming>
  readonly outgoing: Codec<Outgoing>
}

/** A channel on a stream that is just open; it takes the stream over. */
export const openChannel = <Incoming, Outgoing>(
  stream: Stream,
  words: Words<Incoming, Outgoing>,
  limits: FrameLimits,
): Channel<Incoming, Outgoing> => {
  const frames = openFrames(stream, limits)
  return {
    send: (message) => frames.send(words.outgoing.encode(message)),
    receive: async (timeoutMs) => {
      const frame = await frames.receive(timeoutMs)
      return isRefusal(frame) ? frame : words.incoming.decode(frame)
    },
    close: frames.close,
    abort: frames.abort,
  }
}
