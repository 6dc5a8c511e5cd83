import { fault, type Refusal } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import type { Connection, Node, Stream } from '../../shared/network/node.ts'
import type { Session, Sessions } from './sessions.ts'

type StreamHandler = (stream: Stream, connection: Connection) => Promise<void>

/** A handler that answers only on admitted connections. A stream that comes before its hello has passed waits for it. */
export const membersOnly =
  (sessions: Sessions, handler: (stream: Stream, session: Session) => Promise<void>): StreamHandler =>
  async (stream, connection) => {
    const session = await sessions.awaited(connection)
    if (session === null) stream.abort(new Error('not admitted'))
    else await handler(stream, session)
  }

/**
 * The only way out: a stream to a peer that we have a session with.
 * @throws LanyardError `unreachable` without a session, `stream-closed` when the stream can't be opened
 */
export const openMemberStream = async (
  node: Node,
  sessions: Sessions,
  peer: PeerId,
  protocol: string,
): Promise<Stream> => {
  const session = sessions.of(peer)
  if (session === undefined) throw fault('unreachable', 'no session')
  return await node.open(session.connection, protocol)
}

/** Whether what came is not in the protocol at all; that somebody is slow or gone is no foul. */
export const isFoul = ({ code }: Refusal): boolean => code === 'frame-malformed' || code === 'frame-too-large'
