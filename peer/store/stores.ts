import type { Incarnation, PeerId } from '../../shared/ids.ts'
import type { Random } from '../../shared/random.ts'
import { createAddressStore } from './addresses.ts'
import { type CertificateStore, createCertificateStore } from './certificates.ts'
import { type Database, openDatabase } from './database.ts'
import { createFileStore, type FileStore } from './files.ts'
import { createKeyStore, type KeyStore } from './keys.ts'
import { createMetaStore } from './meta.ts'
import { createRecordStore, type RecordStore } from './records.ts'
import { createRevocationListStore, type RevocationListStore } from './revocation-list.ts'
import { createSealer } from './sealer.ts'

/** All that a device keeps. */
export type Stores = {
  readonly database: Database
  readonly records: RecordStore
  readonly keys: KeyStore
  readonly files: FileStore
  readonly certificates: CertificateStore
  readonly addresses: ReturnType<typeof createAddressStore>
  readonly revocationList: RevocationListStore
  readonly incarnation: Incarnation
}

export type StoreOwner = {
  /** 32 bytes that seal the columns. */
  readonly storeKey: Uint8Array
  /** Whose store it is. When that has changed, by a new key, it goes on under the new name: all of it, in one transaction. */
  readonly device: PeerId
}

/** @throws LanyardError `storage-failed`, `profile-in-use` */
export const openStores = (path: string, { storeKey, device }: StoreOwner, random: Random): Stores => {
  const database = openDatabase(path)
  const sealer = createSealer(storeKey, random)
  const meta = createMetaStore(database)
  const keys = createKeyStore(database, sealer)
  const incarnation = database.transaction(() => {
    if (meta.moveTo(device)) keys.forgetOwn()
    return meta.incarnation(random)
  })
  return {
    database,
    records: createRecordStore(database, sealer),
    keys,
    files: createFileStore(database, sealer),
    certificates: createCertificateStore(database),
    addresses: createAddressStore(database),
    revocationList: createRevocationListStore(database),
    incarnation,
  }
}
