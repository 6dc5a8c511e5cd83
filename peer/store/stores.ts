import type { Incarnation, PeerId } from '../../shared/ids.ts'
import type { Random } from '../../shared/random.ts'
import { createAddressStore } from './addresses.ts'
import { type CertificateStore, createCertificateStore } from './certificates.ts'
import type { Database } from './database.ts'
import { createDeskStore, type DeskStore } from './desk.ts'
import { createFileStore, type FileStore } from './files.ts'
import { createKeyStore, type KeyStore } from './keys.ts'
import { createMetaStore } from './meta.ts'
import { createNames } from './names.ts'
import { createReceiptStore, type ReceiptStore } from './receipts.ts'
import { createRecordStore, type RecordStore } from './records.ts'
import { createRetentionStore, type RetentionStore } from './retention.ts'
import { createRevocationListStore, type RevocationListStore } from './revocation-list.ts'
import { createRoomStore, type RoomStore } from './rooms.ts'
import { createSealer } from './sealer.ts'
import { createServingStore, type ServingStore } from './serving.ts'
import { createSessionReceiptStore, type SessionReceiptStore } from './session-receipts.ts'
import { createTimelineStore, type TimelineStore } from './timeline.ts'
import { createUnreadStore, type UnreadStore } from './unread.ts'

/** All that a device keeps. */
export type Stores = {
  readonly database: Database
  readonly records: RecordStore
  readonly serving: ServingStore
  readonly keys: KeyStore
  readonly files: FileStore
  readonly certificates: CertificateStore
  readonly addresses: ReturnType<typeof createAddressStore>
  readonly revocationList: RevocationListStore
  readonly rooms: RoomStore
  readonly timeline: TimelineStore
  readonly unread: UnreadStore
  readonly receipts: ReceiptStore
  readonly retention: RetentionStore
  readonly desk: DeskStore
  readonly sessionReceipts: SessionReceiptStore
  readonly incarnation: Incarnation
}

export type StoreOwner = {
  /** 32 bytes that seal the columns. */
  readonly storeKey: Uint8Array
  /** Whose store it is. When that has changed, by a new key, it goes on under the new name: all of it, in one transaction. */
  readonly device: PeerId
}

/** @throws LanyardError `storage-failed` */
export const openStores = (database: Database, { storeKey, device }: StoreOwner, random: Random): Stores => {
  const sealer = createSealer(storeKey, random)
  const meta = createMetaStore(database)
  const keys = createKeyStore(database, sealer)
  const names = createNames(database)
  const incarnation = database.transaction(() => {
    if (meta.moveTo(device)) keys.forgetOwn()
    return meta.incarnation(random)
  })
  return {
    database,
    records: createRecordStore(database, sealer, names),
    serving: createServingStore(database, sealer, names),
    keys,
    files: createFileStore(database, sealer),
    certificates: createCertificateStore(database),
    addresses: createAddressStore(database),
    revocationList: createRevocationListStore(database),
    rooms: createRoomStore(database),
    timeline: createTimelineStore(database, sealer, names),
    unread: createUnreadStore(database, names),
    receipts: createReceiptStore(database, names),
    retention: createRetentionStore(database, names),
    desk: createDeskStore(database, sealer),
    sessionReceipts: createSessionReceiptStore(database),
    incarnation,
  }
}
