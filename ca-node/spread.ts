import { succeed } from '../shared/certificate/lineage.ts'
import type { Clock } from '../shared/clock.ts'
import { isRefusal } from '../shared/errors.ts'
import type { PeerId } from '../shared/ids.ts'
import { exchangeLists, type ListHolder } from '../shared/network/list-exchange.ts'
import type { Connection, Stream } from '../shared/network/node.ts'
import { peerIdOf } from '../shared/network/peer-id.ts'
import type { Log } from './enrolment-handler.ts'
import type { Publisher } from './publisher.ts'
import type { CaIdentity } from './root-key.ts'

export type SpreadParts = {
  readonly publisher: Pick<Publisher, 'latest' | 'onNewer'>
  /** The roots of the network, as far as this CA has had their keys. */
  readonly identity: Pick<CaIdentity, 'anchor' | 'lineage'>
  readonly clock: Clock
  /** Whether this device was enrolled here: who was not has no business with the list. */
  readonly isDevice: (peer: PeerId) => Promise<boolean>
  readonly log: Log
}

/** Tells devices of the network all roots and the newest revocation list, at once when there is a new one, while they stay. */
export const serveLists = ({ publisher, identity, isDevice, clock, log }: SpreadParts) => {
  const { anchor, lineage } = identity
  const holder: ListHolder = {
    number: () => publisher.latest().number,
    der: () => publisher.latest().der,
    // Only a CA that was restored from an old backup can be behind its own devices.
    take: async (der) => log('crl-ahead', { bytes: der.byteLength, number: publisher.latest().number }),
    generation: () => anchor.generation,
    successionsAfter: (known) => lineage.successions.slice(Math.max(0, known - 1)),
    // Our devices know a root that ours has certified, and we don't: these keys are from an old backup.
    follow: (succession) => {
      const next = succeed(anchor, succession, clock.now())
      if (!isRefusal(next)) log('root-outdated', { root: next.generation })
    },
    onNewer: publisher.onNewer,
  }
  return async (stream: Stream, connection: Connection): Promise<void> => {
    if (await isDevice(peerIdOf(connection.remotePeer))) await exchangeLists(stream, holder)
    else stream.abort(new Error('not a device of this network'))
  }
}
