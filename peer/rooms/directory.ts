import { type TrustAnchor, type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import {
  type CertificateHash,
  certificateHashOf,
  type NetworkId,
  type PeerId,
  type RoomId,
  roomIdOf,
  type UserName,
} from '../../shared/ids.ts'
import { deviceBodyCodec } from '../../shared/wire/bodies.ts'
import type { Recipient } from '../group/group.ts'
import { bodyOf, type ParsedRecord } from '../log/record.ts'
import type { CertificateStore, KnownDevice } from '../store/certificates.ts'

/** Everybody's certificates and prekeys: present or not, they can be listed, verified, and written to. */
export type Directory = {
  readonly room: RoomId
  /** The author of a `device` record, out of the record itself; its signature is for the caller to check. */
  authorOf(record: ParsedRecord): VerifiedDevice | Refusal
  /** Keeps what a `device` record says; within the transaction that stores it. */
  learn(record: ParsedRecord, author: VerifiedDevice): void
  /** Keeps a certificate that came with a hello or from the CA. */
  add(device: VerifiedDevice): void
  /** The device behind a certificate hash, whether its certificate has expired or not. */
  resolve(hash: CertificateHash): VerifiedDevice | null
  devices(): readonly KnownDevice[]
  /** Names of all users; the same object until there is another. */
  users(): ReadonlySet<UserName>
  /** A device under the newest certificate that is known of it. */
  newestOf(device: PeerId): VerifiedDevice | null
  /** Whose device this is; null for one that was never seen. */
  userOf(device: PeerId): UserName | null
  /** Devices with a certificate that is valid now, and not revoked, and a prekey; without ourselves. */
  recipients(): readonly Recipient[]
  /** A revocation list has come: who may read is to be asked anew. */
  forget(): void
}

export type DirectoryParts = {
  readonly network: NetworkId
  /** The roots that are trusted at this moment. */
  readonly anchor: () => TrustAnchor
  readonly certificates: CertificateStore
  readonly clock: Clock
  readonly self: PeerId
  readonly revoked: (serial: string) => boolean
  /** A certificate is known that was not before in this run. */
  readonly onAdded?: (device: VerifiedDevice) => void
}

export const createDirectory = (parts: DirectoryParts): Directory => {
  const { network, anchor, certificates, clock, self, revoked } = parts
  const verified = new Map<CertificateHash, VerifiedDevice>()
  let byPeer: ReadonlyMap<PeerId, KnownDevice> | null = null
  let users: ReadonlySet<UserName> | null = null
  /** Asked of every fact of a room each time that its members change. */
  const newest = new Map<PeerId, CertificateHash | null>()
  const known = (device: PeerId): KnownDevice | undefined => {
    byPeer ??= new Map(certificates.devices().map((one) => [one.peer, one]))
    return byPeer.get(device)
  }
  let recipients: { readonly list: readonly Recipient[]; readonly until: number } | null = null

  const add = (device: VerifiedDevice): void => {
    if (verified.has(device.hash)) return
    certificates.add(device)
    verified.set(device.hash, device)
    recipients = null
    byPeer = null
    if (users?.has(device.user) !== true) users = null
    newest.delete(device.peerId)
    parts.onAdded?.(device)
  }
  const resolve = (hash: CertificateHash): VerifiedDevice | null => {
    const known = verified.get(hash)
    if (known !== undefined) return known
    const der = certificates.get(hash)
    if (der === null) return null
    const device = verifyDevice(der, { anchor: anchor(), now: clock.now(), at: 'any-time' })
    if (isRefusal(device)) return null
    verified.set(hash, device)
    return device
  }
  return {
    room: roomIdOf(network, '~directory'), // no room name begins with ~
    authorOf: (record) => {
      const body = deviceBodyCodec.decode(bodyOf(record))
      if (isRefusal(body)) return refuse('record-malformed', body.detail)
      if (certificateHashOf(body.certificate) !== record.author) return refuse('record-wrong-author')
      const known = verified.get(record.author)
      return known ?? verifyDevice(body.certificate, { anchor: anchor(), now: clock.now(), at: 'any-time' })
    },
    learn: (record, author) => {
      add(author)
      const body = deviceBodyCodec.decode(bodyOf(record))
      if (isRefusal(body)) return
      const { id, suite, publicKey } = body.prekey
      const [ms, count] = record.header.time
      certificates.setPrekey({ peer: author.peerId, id, suite, publicKey, published: { ms, count } })
      recipients = null
    },
    add,
    resolve,
    forget: () => {
      recipients = null
    },
    devices: () => certificates.devices(),
    users: () => {
      users ??= new Set(certificates.devices().map(({ user }) => user))
      return users
    },
    newestOf: (device) => {
      const known = newest.get(device)
      const hash = known === undefined ? certificates.newestOf(device) : known
      newest.set(device, hash)
      return hash === null ? null : resolve(hash)
    },
    userOf: (device) => known(device)?.user ?? null,
    recipients: () => {
      const now = clock.now()
      if (recipients !== null && now < recipients.until) return recipients.list
      const devices = certificates
        .devices()
        .filter(({ peer, serial, notAfter }) => peer !== self && notAfter > now && !revoked(serial))
      const prekeys = new Map(certificates.prekeys().map((prekey) => [prekey.peer, prekey]))
      const list = devices.flatMap(({ peer, user }) => {
        const prekey = prekeys.get(peer)
        return prekey === undefined ? [] : [{ peer, user, prekey }]
      })
      recipients = { list, until: Math.min(...devices.map(({ notAfter }) => notAfter), now + RECIPIENTS_FRESH_MS) }
      return list
    },
  }
}

const RECIPIENTS_FRESH_MS = 60_000 // certificates end by the clock: the list is made anew at least this often
