import type { Incarnation } from '../../shared/ids.ts'
import type { Random } from '../../shared/random.ts'
import { createAddressStore } from './addresses.ts'
import { type CertificateStore, createCertificateStore } from './certificates.ts'
import { type Database, openDatabase } from './database.ts'
import { createFileStore, type FileStore } from './files.ts'
import { createKeyStore, type KeyStore } from './keys.ts'
import { createMetaStore } from './meta.ts'
import { createRecordStore, type RecordStore } from './records.ts'
import { createRevocationListStore, type RevocationListStore } from './revocation-list.ts'
import { createRoomStore, type RoomStore } from './rooms.ts'
import { createSealer } from './sealer.ts'
import { createServingStore, type ServingStore } from './serving.ts'

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
  readonly incarnation: Incarnation
}

/** @param key 32 bytes that seal the columns @throws LanyardError `storage-failed`, `profile-in-use` */
export const openStores = (path: string, key: Uint8Array, random: Random): Stores => {
  const database = openDatabase(path)
  const sealer = createSealer(key, random)
  return {
    database,
    records: createRecordStore(database, sealer),
    serving: createServingStore(database),
    keys: createKeyStore(database, sealer),
    files: createFileStore(database, sealer),
    certificates: createCertificateStore(database),
    addresses: createAddressStore(database),
    revocationList: createRevocationListStore(database),
    rooms: createRoomStore(database),
    incarnation: createMetaStore(database).incarnation(random),
  }
}
