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
import type { TakingOver } from './taking-over.ts'

export type SpreadParts = {
  readonly publisher: Pick<Publisher, 'latest' | 'onNewer' | 'refresh'>
  /** The roots of the network, as far as this CA has had their keys. */
  readonly identity: Pick<CaIdentity, 'anchor' | 'lineage'>
  readonly takingOver: TakingOver
  /** Whether this device was enrolled here: who was not has no business with the list. */
  readonly isDevice: (peer: PeerId) => Promise<boolean>
  readonly clock: Clock
  readonly log: Log
}

/**
 * Tells devices of the network all roots and the newest revocation list, at once when there is a new one, while they stay;
 * and takes over lists of ours that we don't know, which only a CA that was restored from a backup needs.
 */
export const serveLists = ({ publisher, identity, takingOver, isDevice, clock, log }: SpreadParts) => {
  const { anchor, lineage } = identity
  const takeFrom = async (der: Uint8Array, peer: PeerId): Promise<void> => {
    await takingOver.take(der, peer)
    await publisher.refresh() // what was taken over is told to everybody at once, with a higher number
  }
  const holder: Omit<ListHolder, 'take'> = {
    number: () => publisher.latest().number,
    der: () => publisher.latest().der,
    kept: () => [],
    answer: takingOver.answer,
    generation: () => anchor.generation,
    successionsAfter: (known) => lineage.successions.slice(Math.max(0, known - 1)),
    // Our devices know a root that ours has certified, and we don't: these keys are from an old backup.
    follow: (succession) => {
      const next = succeed(anchor, succession, clock.now())
      if (!isRefusal(next)) log('root-outdated', { root: next.generation })
    },
    onNewer: publisher.onNewer,
  }
  /** For who is no device here: it may have joined after the backup, and know more than we do. It is told nothing. */
  const listener: Omit<ListHolder, 'take'> = {
    ...holder,
    der: () => null,
    successionsAfter: () => [],
    onNewer: () => () => undefined,
  }
  return async (stream: Stream, connection: Connection): Promise<void> => {
    const peer = peerIdOf(connection.remotePeer)
    const take = (der: Uint8Array): Promise<void> => takeFrom(der, peer)
    if (await isDevice(peer)) await exchangeLists(stream, { ...holder, take })
    else if (await takingOver.mayLack()) await exchangeLists(stream, { ...listener, take })
    else stream.abort(new Error('not a device of this network'))
  }
}
