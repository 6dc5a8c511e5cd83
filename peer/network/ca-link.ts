import type { PeerId } from '../../shared/ids.ts'
import { CA_SIGHT_MS } from '../../shared/limits.ts'
import type { Connection, Node } from '../../shared/network/node.ts'

export type CaLinkParts = {
  readonly node: Node
  readonly ca: { readonly caPeerId: PeerId; readonly addresses: readonly string[] }
  /** The CA is connected; called once a connection. */
  readonly onSight: (connection: Connection) => void
}

/** Looks for the CA at the start and every minute, and stays connected while it is there; it may be away for days. */
export const startCaLink = ({ node, ca, onSight }: CaLinkParts): (() => void) => {
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
  const timer = setInterval(() => void look(), CA_SIGHT_MS)
  void look()
  return () => clearInterval(timer)
}
