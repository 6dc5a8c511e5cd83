import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { HybridTime } from '../../shared/clock.ts'
import type { CertificateHash, PeerId, UserName } from '../../shared/ids.ts'
import { blob, type Database, integer, text } from './database.ts'

/** One device that was ever seen. */
export type KnownDevice = {
  readonly peer: PeerId
  readonly user: UserName
  /** Of its newest certificate: serial number, lower-case hex, and end, milliseconds since the epoch. */
  readonly serial: string
  readonly notAfter: number
}

/** The newest prekey of a device. */
export type KnownPrekey = {
  readonly peer: PeerId
  readonly id: Uint8Array
  readonly suite: number
  readonly publicKey: Uint8Array
  /**
   * When it was published, by the record's hybrid clock: that one never goes back, as a device's own may. While anybody's
   * clock is ahead it is the counter alone that tells a later one.
   */
  readonly published: HybridTime
}

export type CertificateStore = ReturnType<typeof createCertificateStore>

export const createCertificateStore = (database: Database) => {
  const insert = database.prepare(
    'INSERT OR IGNORE INTO certificates (hash, peer, user, serial, der, not_before, not_after) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const byHash = database.prepare('SELECT der FROM certificates WHERE hash = ?')
  const newestOf = database.prepare('SELECT hash FROM certificates WHERE peer = ? ORDER BY not_after DESC LIMIT 1')
  const devices = database.prepare(
    // Of bare columns SQLite takes the row that has the maximum.
    'SELECT peer, user, serial, MAX(not_after) AS not_after FROM certificates GROUP BY peer ORDER BY user, peer',
  )
  const setPrekey = database.prepare(
    `INSERT INTO prekeys (peer, id, suite, public_key, ms, count) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (peer) DO UPDATE SET id = excluded.id, suite = excluded.suite, public_key = excluded.public_key,
     ms = excluded.ms, count = excluded.count WHERE (excluded.ms, excluded.count) > (ms, count)`,
  )
  const prekeys = database.prepare('SELECT * FROM prekeys ORDER BY peer')
  const ofUser = database.prepare('SELECT MIN(not_before) AS since FROM certificates WHERE user = ?')
  return {
    add: (device: VerifiedDevice): void => {
      insert.run(
        device.hash,
        device.peerId,
        device.user,
        device.serial,
        device.certificate,
        device.notBefore,
        device.notAfter,
      )
    },
    /** DER of the certificate with this hash. */
    get: (hash: CertificateHash): Uint8Array | null => {
      const row = byHash.get(hash)
      return row === undefined ? null : blob(row.der)
    },
    /** Of the certificate of a device that ends last. */
    newestOf: (peer: PeerId): CertificateHash | null => {
      const row = newestOf.get(peer)
      return row === undefined ? null : (text(row.hash) as CertificateHash)
    },
    devices: (): KnownDevice[] =>
      devices.all().map((row) => ({
        peer: text(row.peer) as PeerId,
        user: text(row.user) as UserName,
        serial: text(row.serial),
        notAfter: integer(row.not_after),
      })),
    /** When the first certificate of a user begins, milliseconds since the epoch; null: no such user was ever seen. */
    userSince: (user: string): number | null => {
      const since = ofUser.get(user)?.since
      return since == null ? null : integer(since)
    },
    /** Keeps the prekey if it is newer than the one that is known. */
    setPrekey: ({ peer, id, suite, publicKey, published }: KnownPrekey): void => {
      setPrekey.run(peer, id, suite, publicKey, published.ms, published.count)
    },
    prekeys: (): KnownPrekey[] =>
      prekeys.all().map((row) => ({
        peer: text(row.peer) as PeerId,
        id: blob(row.id),
        suite: integer(row.suite),
        publicKey: blob(row.public_key),
        published: { ms: integer(row.ms), count: integer(row.count) },
      })),
  }
}
