import { type Epoch, type Incarnation, type PeerId, type RoomId, toHex } from '../../shared/ids.ts'
import { blob, type Database, integer, text } from './database.ts'
import type { Sealer } from './sealer.ts'

/** Our own newest sender key of a room. */
export type OwnSenderKey = {
  readonly room: RoomId
  readonly epoch: Epoch
  /** The index that the next message takes. */
  readonly nextIndex: number
  readonly created: number
  /** 32 bytes: what the boxes hold; none once it is erased, which its number outlives. */
  readonly secret: Uint8Array
  /** 32 bytes: the chain key at `nextIndex`; none once it is erased. */
  readonly chain: Uint8Array
}

/** How far we have gone along another device's sender key. */
export type ReaderChain = {
  readonly room: RoomId
  readonly device: PeerId
  readonly incarnation: Incarnation
  readonly epoch: Epoch
  readonly nextIndex: number
  /** 32 bytes: the chain key at `nextIndex`; none once it is erased: its box is not opened again. */
  readonly chain: Uint8Array
}

/** A prekey of ours, with its secret. */
export type OwnPrekey = {
  readonly id: Uint8Array
  readonly publicKey: Uint8Array
  readonly secret: Uint8Array
  readonly created: number
}

export type KeyStore = ReturnType<typeof createKeyStore>

export const createKeyStore = (database: Database, sealer: Sealer) => {
  const setOwn = database.prepare(
    `INSERT INTO own_sender_keys (room, epoch, next_index, created, sealed_secret, sealed_chain) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (room) DO UPDATE SET epoch = excluded.epoch, next_index = excluded.next_index,
     created = excluded.created, sealed_secret = excluded.sealed_secret, sealed_chain = excluded.sealed_chain`,
  )
  const advance = database.prepare('UPDATE own_sender_keys SET next_index = ?, sealed_chain = ? WHERE room = ?')
  const eraseOwn = database.prepare(
    "UPDATE own_sender_keys SET sealed_secret = X'', sealed_chain = X'' WHERE created <= ? AND sealed_secret <> X''",
  )
  const getOwn = database.prepare('SELECT * FROM own_sender_keys WHERE room = ?')
  const addRecipient = database.prepare('INSERT OR IGNORE INTO own_recipients (room, epoch, peer) VALUES (?, ?, ?)')
  const recipients = database.prepare('SELECT peer FROM own_recipients WHERE room = ? AND epoch = ?')
  const setChain = database.prepare(
    `INSERT INTO chains (room, device, inc, epoch, next_index, sealed_chain, accepted) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (room, device, inc, epoch) DO UPDATE SET next_index = excluded.next_index, sealed_chain = excluded.sealed_chain`,
  )
  const eraseChains = database.prepare(
    "UPDATE chains SET sealed_chain = X'' WHERE accepted <= ? AND sealed_chain <> X''",
  )
  const getChain = database.prepare('SELECT * FROM chains WHERE room = ? AND device = ? AND inc = ? AND epoch = ?')
  const addPrekey = database.prepare(
    'INSERT INTO own_prekeys (id, public_key, sealed_secret, created) VALUES (?, ?, ?, ?)',
  )
  const retire = database.prepare('UPDATE own_prekeys SET rotated = ? WHERE rotated IS NULL AND id <> ?')
  const erase = database.prepare('DELETE FROM own_prekeys WHERE rotated IS NOT NULL AND rotated <= ?')
  const getPrekey = database.prepare('SELECT * FROM own_prekeys WHERE id = ?')
  const newestPrekey = database.prepare('SELECT * FROM own_prekeys WHERE rotated IS NULL ORDER BY created DESC LIMIT 1')

  const unsealed = (place: string, sealed: Uint8Array): Uint8Array =>
    sealed.byteLength === 0 ? sealed : sealer.open(place, sealed)
  const chainPlace = (chain: Omit<ReaderChain, 'chain' | 'nextIndex'>): string =>
    `chains.${chain.room}.${chain.device}.${chain.incarnation}.${chain.epoch}`
  const toPrekey = (row: Record<string, unknown> | undefined): OwnPrekey | null => {
    if (row === undefined) return null
    const id = blob(row.id)
    return {
      id,
      publicKey: blob(row.public_key),
      secret: sealer.open(`own_prekeys.${toHex(id)}`, blob(row.sealed_secret)),
      created: integer(row.created),
    }
  }

  return {
    setOwn: (key: OwnSenderKey): void => {
      setOwn.run(
        key.room,
        key.epoch,
        key.nextIndex,
        key.created,
        sealer.seal(`own_sender_keys.secret.${key.room}.${key.epoch}`, key.secret),
        sealer.seal(`own_sender_keys.chain.${key.room}.${key.epoch}`, key.chain),
      )
    },
    /** Notes that the indices below `nextIndex` are used; within the transaction that stores the records. */
    advanceOwn: (key: OwnSenderKey): void => {
      advance.run(key.nextIndex, sealer.seal(`own_sender_keys.chain.${key.room}.${key.epoch}`, key.chain), key.room)
    },
    own: (room: RoomId): OwnSenderKey | null => {
      const row = getOwn.get(room)
      if (row === undefined) return null
      const epoch = integer(row.epoch) as Epoch
      return {
        room,
        epoch,
        nextIndex: integer(row.next_index),
        created: integer(row.created),
        secret: unsealed(`own_sender_keys.secret.${room}.${epoch}`, blob(row.sealed_secret)),
        chain: unsealed(`own_sender_keys.chain.${room}.${epoch}`, blob(row.sealed_chain)),
      }
    },
    /** Erases our sender keys that were made by then from the file and its log, and keeps their numbers. */
    eraseOwn: (madeBefore: number): void => {
      if (eraseOwn.run(madeBefore).changes > 0) database.checkpoint()
    },
    addRecipients: (room: RoomId, epoch: Epoch, peers: readonly PeerId[]): void => {
      for (const peer of peers) addRecipient.run(room, epoch, peer)
    },
    recipients: (room: RoomId, epoch: Epoch): PeerId[] =>
      recipients.all(room, epoch).map((row) => text(row.peer) as PeerId),
    /** @param now when it was accepted, if it is new here; milliseconds since the epoch */
    setChain: (chain: ReaderChain, now: number): void => {
      const sealed = sealer.seal(chainPlace(chain), chain.chain)
      setChain.run(chain.room, chain.device, chain.incarnation, chain.epoch, chain.nextIndex, sealed, now)
    },
    /** Erases others' chains that were accepted by then from the file and its log. @returns whether there were any */
    eraseChains: (acceptedBefore: number): boolean => {
      const erased = eraseChains.run(acceptedBefore).changes > 0
      if (erased) database.checkpoint()
      return erased
    },
    chain: (room: RoomId, device: PeerId, incarnation: Incarnation, epoch: Epoch): ReaderChain | null => {
      const row = getChain.get(room, device, incarnation, epoch)
      if (row === undefined) return null
      const id = { room, device, incarnation, epoch }
      return { ...id, nextIndex: integer(row.next_index), chain: unsealed(chainPlace(id), blob(row.sealed_chain)) }
    },
    /** Makes this prekey the current one; those before it are kept for a while, since boxes to them may be on the way. */
    rotatePrekey: (prekey: OwnPrekey, now: number): void => {
      const sealed = sealer.seal(`own_prekeys.${toHex(prekey.id)}`, prekey.secret)
      addPrekey.run(prekey.id, prekey.publicKey, sealed, prekey.created)
      retire.run(now, prekey.id)
    },
    /** Forgets all that is bound to the name of this device: it has another one now. What others sealed is read on. */
    forgetOwn: (): void => {
      for (const table of ['own_sender_keys', 'own_recipients', 'own_prekeys'])
        database.prepare(`DELETE FROM ${table}`).run()
    },
    erasePrekeys: (rotatedBefore: number): void => {
      if (erase.run(rotatedBefore).changes > 0) database.checkpoint()
    },
    prekey: (id: Uint8Array): OwnPrekey | null => toPrekey(getPrekey.get(id)),
    currentPrekey: (): OwnPrekey | null => toPrekey(newestPrekey.get()),
  }
}
