import { z } from 'zod'
import { bytes, codec } from '../../shared/codec.ts'
import { isRefusal } from '../../shared/errors.ts'
import { RECORD_MAX_BYTES } from '../../shared/limits.ts'
import type { WireRecord } from '../../shared/wire/record.ts'
import { blob, blobOrNull } from './database.ts'

/** Where a record stands in its batch, as a column. */
export const proofCodec = codec<WireRecord['proof']>(
  z.strictObject({ index: z.int(), size: z.int(), path: z.array(bytes(32)) }),
  RECORD_MAX_BYTES,
)

/** A record as it travels, out of a row with its `header`, `signature`, `proof` and `body`; null when it is not signed yet. */
export const wireOf = (row: Record<string, unknown>): WireRecord | null => {
  if (row.signature === null) return null
  const proof = proofCodec.decode(blob(row.proof))
  if (isRefusal(proof)) return null
  return { header: blob(row.header), signature: blob(row.signature), proof, body: blobOrNull(row.body) }
}
