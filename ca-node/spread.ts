import type { PeerId } from '../shared/ids.ts'
import { exchangeLists, type ListHolder } from '../shared/network/list-exchange.ts'
import type { Connection, Stream } from '../shared/network/node.ts'
import { peerIdOf } from '../shared/network/peer-id.ts'
import type { Log } from './enrolment-handler.ts'
import type { Publisher } from './publisher.ts'

export type SpreadParts = {
  readonly publisher: Pick<Publisher, 'latest' | 'onNewer'>
  /** Whether this device was enrolled here: who was not has no business with the list. */
  readonly isDevice: (peer: PeerId) => Promise<boolean>
  readonly log: Log
}

/** Tells devices of the network the newest revocation list, at once when there is a new one, as long as they stay. */
export const serveLists = ({ publisher, isDevice, log }: SpreadParts) => {
  const holder: ListHolder = {
    number: () => publisher.latest().number,
    der: () => publisher.latest().der,
    // Only a CA that was restored from an old backup can be behind its own devices.
    take: async (der) => log('crl-ahead', { bytes: der.byteLength, number: publisher.latest().number }),
    onNewer: publisher.onNewer,
  }
  return async (stream: Stream, connection: Connection): Promise<void> => {
    if (await isDevice(peerIdOf(connection.remotePeer))) await exchangeLists(stream, holder)
    else stream.abort(new Error('not a device of this network'))
  }
}
