import { fault } from '../../shared/errors.ts'
import type { WireRecord } from '../../shared/wire/record.ts'
import { blob, blobOrNull } from './database.ts'

type Proof = WireRecord['proof']

const HASH_BYTES = 32
const HEAD_BYTES = 4

/** Where a record stands in its batch, as a column: leaf number and number of leaves, 2 bytes each, and the hashes of the path. */
export const packProof = ({ index, size, path }: Proof): Uint8Array => {
  const packed = new Uint8Array(HEAD_BYTES + path.length * HASH_BYTES)
  const view = new DataView(packed.buffer)
  view.setUint16(0, index)
  view.setUint16(2, size)
  for (const [at, hash] of path.entries()) packed.set(hash, HEAD_BYTES + at * HASH_BYTES)
  return packed
}

const unpackProof = (packed: Uint8Array): Proof => {
  const rest = packed.byteLength - HEAD_BYTES
  if (rest < 0 || rest % HASH_BYTES !== 0) throw fault('storage-failed', 'a column that should hold a proof does not')
  const view = new DataView(packed.buffer, packed.byteOffset)
  const path = Array.from({ length: rest / HASH_BYTES }, (_, at) =>
    packed.subarray(HEAD_BYTES + at * HASH_BYTES, HEAD_BYTES + (at + 1) * HASH_BYTES),
  )
  return { index: view.getUint16(0), size: view.getUint16(2), path }
}

/** A record as it travels, out of a row with its `header`, `signature`, `proof` and `body`; null when it is not signed yet. */
export const wireOf = (row: Record<string, unknown>): WireRecord | null =>
  row.signature === null
    ? null
    : {
        header: blob(row.header),
        signature: blob(row.signature),
        proof: unpackProof(blob(row.proof)),
        body: blobOrNull(row.body),
      }
