import type { Clock } from '../../shared/clock.ts'
import type { PeerId } from '../../shared/ids.ts'
import { CA_SIGHT_MS } from '../../shared/limits.ts'
import type { Connection, Node } from '../../shared/network/node.ts'
import { peerIdOf } from '../../shared/network/peer-id.ts'
import type { Random } from '../../shared/random.ts'
import { byTheClock } from '../by-the-clock.ts'

export type CaLinkParts = {
  readonly node: Node
  readonly ca: { readonly caPeerId: PeerId; readonly addresses: readonly string[] }
  readonly clock: Clock
  readonly random: Random
  /** The CA is connected; called once a connection, also when it has dialed us. */
  readonly onSight: (connection: Connection) => void
}

/**
 * Looks for the CA at the start, and then about every minute, and stays connected while it is there; it may be away for
 * days. Each wait is shortened at random by up to a half: when the CA is back, not everybody comes in the same second.
 */
export const startCaLink = ({ node, ca, clock, random, onSight }: CaLinkParts): (() => void) => {
  let dialing = false
  const look = async (): Promise<void> => {
    if (dialing || node.connections(ca.caPeerId).length > 0) return
    dialing = true
    try {
      onSight(await node.dial(ca.addresses.map((address) => `${address}/p2p/${ca.caPeerId}`)))
    } catch {
      // Away: the network goes on without it.
    } finally {
      dialing = false
    }
  }
  const end = node.onConnection((connection) => {
    if (connection.direction === 'inbound' && peerIdOf(connection.remotePeer) === ca.caPeerId) onSight(connection)
  })
  void look()
  const waitMs = () => CA_SIGHT_MS * (1 - (random.bytes(1)[0] ?? 0) / 512)
  const stop = byTheClock({ clock, waitMs, job: () => void look() })
  return () => {
    end()
    stop()
  }
}
