import { type KeyObject, sign } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { orThrow } from '../errors.ts'
import { CRL_LIFETIME_MS, CRL_SLICE_ENTRIES } from '../limits.ts'
import { readCertificate } from './certificate.ts'
import { TAG } from './der.ts'
import { OID } from './extensions.ts'
import { authorityKeyIdentifier, type Issuer, keyIdOf } from './profile.ts'
import { ENTRY_MAX_BYTES, type RevocationEntry, writeEntry } from './revocation-entry.ts'
import { bits, encode, explicit, extension, integer, SHA256_WITH_RSA_ID, sequence, time } from './x509.ts'

export type RevocationOrder = {
  readonly issuer: Issuer
  /** Above that of every list before. */
  readonly number: number
  /** Milliseconds since the Unix epoch; a list keeps whole seconds. */
  readonly thisUpdate: number
  readonly nextUpdate?: number
  /** All that are revoked, each once, in any order. */
  readonly entries: readonly RevocationEntry[]
}

/**
 * A complete v2 list (RFC 5280 §5), DER. Never on the event loop for more than some milliseconds: entries are written in
 * slices, and it is signed on another thread.
 */
export const createRevocationList = async (order: RevocationOrder): Promise<Uint8Array> => {
  const { issuer, number, thisUpdate, nextUpdate = thisUpdate + CRL_LIFETIME_MS, entries } = order
  const root = orThrow(readCertificate(issuer.certificate))
  const extensions = sequence(
    extension({ oid: OID.authorityKeyIdentifier, critical: false, value: authorityKeyIdentifier(keyIdOf(root.spki)) }),
    extension({ oid: OID.crlNumber, critical: false, value: encode(integer(number)) }),
  )
  const body = wrap(
    encode(integer(1)), // v2
    ALGORITHM,
    root.subject,
    encode(time(thisUpdate)),
    encode(time(nextUpdate)),
    // §5.1.2.6: absent when there is none.
    ...(entries.length === 0 ? [] : [wrap(await writeEntries(entries))]),
    encode(explicit(0, extensions)),
  )
  return wrap(body, ALGORITHM, encode(bits(await signAsync('sha256', body, issuer.key))))
}

const ALGORITHM = encode(SHA256_WITH_RSA_ID)

const signAsync = promisify<string, Uint8Array, KeyObject, Buffer>(sign)

const writeEntries = async (entries: readonly RevocationEntry[]): Promise<Uint8Array> => {
  const buffer = Buffer.allocUnsafe(entries.length * ENTRY_MAX_BYTES)
  let at = 0
  for (const [count, entry] of entries.entries()) {
    if (count > 0 && count % CRL_SLICE_ENTRIES === 0) await setImmediate()
    at = writeEntry(buffer, at, entry)
  }
  return buffer.subarray(0, at)
}

/** A SEQUENCE of what is encoded already: forge would turn megabytes into strings. */
const wrap = (...parts: readonly Uint8Array[]): Uint8Array => {
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const octets = length < 0x80 ? [] : bigEndian(length)
  const header = Uint8Array.of(TAG.sequence, length < 0x80 ? length : 0x80 | octets.length, ...octets)
  return Buffer.concat([header, ...parts])
}

/** In the fewest bytes. */
const bigEndian = (value: number): readonly number[] =>
  value < 0x100 ? [value] : [...bigEndian(Math.floor(value / 0x100)), value % 0x100]
