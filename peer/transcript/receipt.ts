import { constants, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { concat } from 'uint8arrays/concat'
import { sha256 } from '../../shared/ids.ts'
import {
  type ReceiptStatement,
  receiptStatementCodec,
  SESSION_RECEIPT_LABEL,
  type SealedReceipt,
} from '../../shared/wire/transcript.ts'

// The session receipt: one device's signed word of what it held of a room, and when.

// RFC 8017 §8.1, salt as long as the hash (RFC 4055 §3.1): as records are signed.
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
const LABEL = new TextEncoder().encode(SESSION_RECEIPT_LABEL)
const signAsync = promisify<string, Uint8Array, { key: KeyObject; padding: number; saltLength: number }, Buffer>(sign)

export const sealReceipt = async (key: KeyObject, said: ReceiptStatement): Promise<SealedReceipt> => {
  const statement = receiptStatementCodec.encode(said)
  const signature = new Uint8Array(await signAsync('sha256', signed(statement), { key, ...PSS }))
  return { kind: 'receipt', statement, signature }
}

/** Whether the holder of this key signed the receipt. */
export const isReceiptOf = (key: KeyObject, { statement, signature }: SealedReceipt): boolean => {
  try {
    return verify('sha256', signed(statement), { key, ...PSS }, signature)
  } catch {
    return false // OpenSSL throws on some moduli that no honest key has
  }
}

const signed = (statement: Uint8Array): Uint8Array => concat([LABEL, sha256(statement)])
