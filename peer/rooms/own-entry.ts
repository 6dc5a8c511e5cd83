import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { RecordHash } from '../../shared/ids.ts'
import { PREKEY_CHECK_MS } from '../../shared/limits.ts'
import { deviceBodyCodec } from '../../shared/wire/bodies.ts'
import type { Group } from '../group/group.ts'
import type { OwnPrekeys } from '../group/own-prekeys.ts'
import type { Author } from '../log/author.ts'
import { encodeRecord } from '../log/record.ts'
import type { RecordStore } from '../store/records.ts'
import type { Directory } from './directory.ts'

/** Our own entry in the directory: certificate and prekey, in a record that every hello carries. */
export type OwnEntry = {
  /** The newest `device` record of ours, as it travels. */
  record(): Uint8Array
  /** Our certificate is a new one: tells everybody. */
  renew(): Promise<void>
  stop(): void
}

export type OwnEntryParts = {
  readonly self: () => VerifiedDevice
  readonly directory: Directory
  readonly prekeys: OwnPrekeys
  readonly group: Pick<Group, 'eraseSpent'>
  readonly author: Author
  readonly records: RecordStore
  /** The prekey could not be renewed this time. */
  readonly onFailure: (error: unknown) => void
}

/** Publishes the entry, and again whenever the prekey is due. Resolves once it is signed. */
export const startOwnEntry = async (parts: OwnEntryParts): Promise<OwnEntry> => {
  const { directory, prekeys, author, records } = parts
  const log = { room: directory.room, device: parts.self().peerId, incarnation: author.incarnation }
  let hash: RecordHash | null = null

  const publish = async (): Promise<void> => {
    const self = parts.self()
    parts.group.eraseSpent()
    const { prekey, fresh } = await prekeys.current()
    const newest = records.newestOf(log)
    if (fresh || newest === null || newest.author !== self.hash) {
      const body = deviceBodyCodec.encode({ certificate: self.certificate, prekey })
      hash = await author.append({ room: directory.room, kind: 'device', body })
    } else hash = newest.hash
    await author.idle()
  }
  await publish()
  const timer = setInterval(() => void publish().catch(parts.onFailure), PREKEY_CHECK_MS)
  return {
    record: () => {
      const wire = hash === null ? null : records.wire(hash)
      return wire === null ? new Uint8Array() : encodeRecord(wire)
    },
    renew: publish,
    stop: () => clearInterval(timer),
  }
}
