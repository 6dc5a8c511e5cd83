import { type PeerId, sha256 } from '../../shared/ids.ts'

/** SHA-256 over the sorted PeerIds, each ended by a zero byte. */
export const membersHash = (peers: readonly PeerId[]): Uint8Array =>
  sha256(
    new TextEncoder().encode(
      [...peers]
        .sort()
        .map((peer) => `${peer}\0`)
        .join(''),
    ),
  )
