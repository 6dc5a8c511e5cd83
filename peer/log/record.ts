import { constants, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { equals } from 'uint8arrays/equals'
import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import {
  type CertificateHash,
  fromHex,
  type Incarnation,
  type RecordHash,
  type RoomId,
  recordHashOf,
  sha256,
  toCertificateHash,
  toHex,
  toIncarnation,
  toRoomId,
} from '../../shared/ids.ts'
import { merkleRoot, merkleTree } from '../../shared/merkle.ts'
import {
  headerCodec,
  RECORD_SIGNATURE_LABEL,
  type RecordHeader,
  recordCodec,
  type WireRecord,
} from '../../shared/wire/record.ts'

/** A record whose bytes are well formed; who wrote it is not proved yet. */
export type ParsedRecord = {
  readonly hash: RecordHash
  readonly room: RoomId
  readonly author: CertificateHash
  readonly incarnation: Incarnation
  readonly header: RecordHeader
  readonly wire: WireRecord
}

/** Reads one record: its shape, and that the body is the one whose hash the header has. */
export const parseRecord = (bytes: Uint8Array): ParsedRecord | Refusal => {
  const wire = recordCodec.decode(bytes)
  if (isRefusal(wire)) return refuse('record-malformed', wire.detail)
  return parseWire(wire)
}

/** Reads several, one behind the other; of a bad one, what is wrong with it. */
export const parseRecords = (bytes: Uint8Array, maxRecords: number): readonly ParsedRecord[] | Refusal => {
  const wires = recordCodec.decodeSequence(bytes, maxRecords)
  if (isRefusal(wires)) return refuse('record-malformed', wires.detail)
  const records: ParsedRecord[] = []
  for (const wire of wires) {
    const record = parseWire(wire)
    if (isRefusal(record)) return record
    records.push(record)
  }
  return records
}

export const parseWire = (wire: WireRecord): ParsedRecord | Refusal => {
  const record = parseUnsigned(wire)
  return isRefusal(record) ? record : { ...record, wire }
}

/** All of a record but its signature, which need not be there yet. */
export const parseUnsigned = (
  wire: Pick<WireRecord, 'header' | 'body'>,
): (Omit<ParsedRecord, 'wire'> & { readonly wire: typeof wire }) | Refusal => {
  const header = headerCodec.decode(wire.header)
  if (isRefusal(header)) return refuse('record-malformed', header.detail)
  if ((header.kind === 'message') !== (header.key !== undefined)) return refuse('record-malformed', 'key of a message')
  if (wire.body === null && header.kind !== 'message') return refuse('record-malformed', 'only messages are erased')
  if (wire.body !== null && !equals(sha256(wire.body), header.body)) return refuse('record-wrong-body')
  return {
    hash: recordHashOf(wire.header),
    room: toRoomId(header.room),
    author: toCertificateHash(header.author),
    incarnation: toIncarnation(header.inc),
    header,
    wire,
  }
}

/** The body; nothing of a message that is erased. */
export const bodyOf = ({ wire }: { readonly wire: Pick<WireRecord, 'body'> }): Uint8Array => wire.body ?? NOTHING
const NOTHING = new Uint8Array()

export const encodeRecord = (wire: WireRecord): Uint8Array => recordCodec.encode(wire)

const LABEL = new TextEncoder().encode(RECORD_SIGNATURE_LABEL)
// RFC 8017 §8.1, salt as long as the hash (RFC 4055 §3.1).
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
const signAsync = promisify<string, Uint8Array, { key: KeyObject; padding: number; saltLength: number }, Buffer>(sign)

/**
 * Signs several records at once: one RSA-PSS signature over the Merkle root of their hashes, and a path for each, so that
 * each stays verifiable by itself. An RSA-2048 signature costs 0.8 ms of a core, a verification 0.05: under load a burst
 * shares one signature (as Roughtime's answers do), and a lone record has a batch of one.
 * @param hashes of the records, at least one
 */
export const signBatch = async (
  key: KeyObject,
  hashes: readonly RecordHash[],
): Promise<readonly Pick<WireRecord, 'signature' | 'proof'>[]> => {
  const { root, proofs } = merkleTree(hashes.map(fromHex))
  const signature = new Uint8Array(await signAsync('sha256', statement(root), { key, ...PSS }))
  return proofs.map((proof) => ({ signature, proof }))
}

/** Whether this device signed the record. Remembers the last batches, since their records share a signature. */
export const createRecordVerifier = (): ((record: ParsedRecord, author: VerifiedDevice) => Refusal | null) => {
  /** The signature that was found good, of each author's root. */
  const seen = new Map<string, Uint8Array>()
  return (record, author) => {
    if (author.hash !== record.author) return refuse('certificate-unknown', record.author)
    const root = merkleRoot(fromHex(record.hash), record.wire.proof)
    if (root === null) return refuse('record-bad-signature', 'the audit path does not lead to a root')
    const { signature } = record.wire
    const batch = author.hash + toHex(root)
    const good = seen.get(batch)
    if (good !== undefined && equals(good, signature)) return null
    if (!verify('sha256', statement(root), { key: author.publicKey, ...PSS }, signature)) {
      return refuse('record-bad-signature', `${author.user}, number ${record.header.seq}`)
    }
    seen.set(batch, new Uint8Array(signature)) // the frame that it came in need not stay for it
    if (seen.size > BATCHES_REMEMBERED) seen.delete(seen.keys().next().value ?? '')
    return null
  }
}

const BATCHES_REMEMBERED = 256

const statement = (root: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(LABEL.byteLength + root.byteLength)
  bytes.set(LABEL)
  bytes.set(root, LABEL.byteLength)
  return bytes
}
