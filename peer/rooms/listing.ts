import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { PeerId, UserName } from '../../shared/ids.ts'
import type { Source } from '../network/discovery.ts'
import type { KnownDevice } from '../store/certificates.ts'

/** A user of the network, with all devices that were ever seen. */
export type ListedUser = {
  readonly user: UserName
  readonly self: boolean
  readonly devices: readonly {
    readonly device: PeerId
    readonly present: boolean
    /** How we found it, of a device that is present. */
    readonly found: Source | null
    /** End of its certificate, milliseconds since the epoch. */
    readonly expires: number
    readonly revoked: boolean
  }[]
}

/** @param found how a device was found, or null when it is not here */
export const listUsers = (
  devices: readonly KnownDevice[],
  self: VerifiedDevice,
  found: (peer: PeerId) => Source | null,
  revoked: (serial: string) => boolean,
): ListedUser[] =>
  [...Map.groupBy(devices, ({ user }) => user)].map(([user, ones]) => ({
    user,
    self: user === self.user,
    devices: ones.map(({ peer, serial, notAfter }) => ({
      device: peer,
      present: peer === self.peerId || found(peer) !== null,
      found: found(peer),
      expires: notAfter,
      revoked: revoked(serial),
    })),
  }))
