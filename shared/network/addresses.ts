import { multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../ids.ts'

/**
 * Of the addresses that somebody tells of a device, those that can be dialed and end in that device's PeerId: one that is
 * not well formed must not spoil the others, and none may send us to somebody else.
 * @param told multiaddrs, as a stranger wrote them
 */
export const addressesOf = (peer: PeerId, told: readonly string[]): string[] =>
  told.filter((text) => {
    try {
      const [host, transport, last, ...more] = multiaddr(text).getComponents()
      const isHost = host?.name === 'ip4' || host?.name === 'ip6'
      return isHost && transport?.name === 'tcp' && last?.name === 'p2p' && last.value === peer && more.length === 0
    } catch {
      return false
    }
  })
