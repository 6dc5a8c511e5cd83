import { setImmediate } from 'node:timers/promises'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { fromHex, toHex } from '../ids.ts'
import { CRL_MAX_BYTES, CRL_SLICE_ENTRIES } from '../limits.ts'
import { isSignedBy } from './algorithm.ts'
import { readAlgorithm, readExtensions, readSigned } from './certificate.ts'
import {
  type Cursor,
  children,
  content,
  type Element,
  enter,
  expect,
  malformed,
  onlyElement,
  readDer,
  refusalFor,
  TAG,
} from './der.ts'
import { readNatural, readTime } from './der-value.ts'
import { KEY_USAGE, OID } from './extensions.ts'
import { dateText, type Root } from './link.ts'
import { entryStart, type RevocationEntry, readEntry } from './revocation-entry.ts'
import { SerialIndex } from './serial-index.ts'

/** A list that the root has signed. The private field keeps look-alikes out; only this file calls the constructor. */
class VerifiedList {
  /** RFC 5280 §5.2.3: grows with each list of an issuer. */
  readonly number: number
  /** Milliseconds since the Unix epoch. */
  readonly thisUpdate: number
  readonly nextUpdate: number
  readonly der: Uint8Array
  readonly #entries: Uint8Array
  readonly #index: SerialIndex

  constructor({ number, thisUpdate, nextUpdate, der, cursor, index }: Reading) {
    this.number = number
    this.thisUpdate = thisUpdate
    this.nextUpdate = nextUpdate
    this.der = der
    this.#entries = cursor.bytes
    this.#index = index
  }

  /** How many are revoked. */
  get size(): number {
    return this.#index.size
  }

  /** @param serial lower-case hex, without leading zero bytes */
  find(serial: string): RevocationEntry | undefined {
    const at = this.#index.find(fromHex(serial))
    return at < 0 ? undefined : entryOf({ bytes: this.#entries, at: entryStart(this.#entries, at) })
  }

  *entries(): Generator<RevocationEntry> {
    const cursor = { bytes: this.#entries, at: 0 }
    while (cursor.at < cursor.bytes.byteLength) yield entryOf(cursor)
  }
}

export type RevocationList = VerifiedList

/** A list whose entries are being read. */
type Reading = Pick<VerifiedList, 'number' | 'thisUpdate' | 'nextUpdate' | 'der'> & {
  readonly cursor: Cursor
  readonly index: SerialIndex
}

/**
 * The list, if it is a complete v2 one (RFC 5280 §5) that the root has signed; else `crl-malformed`, `crl-wrong-issuer`,
 * `crl-bad-signature`. Never throws. Whether it is stale or older than another is asked separately.
 */
export const readRevocationList = (der: Uint8Array, root: Root): RevocationList | Refusal => {
  const list = readSignedList(der, root)
  if (isRefusal(list)) return list
  try {
    indexSome(list, Number.POSITIVE_INFINITY)
    return new VerifiedList(list)
  } catch (cause) {
    return refusalFor('crl-malformed', cause)
  }
}

/** As `readRevocationList`, in turns with other work: 100,000 entries take tens of milliseconds, 2 or 3 at a time. */
export const readRevocationListInTurns = async (der: Uint8Array, root: Root): Promise<RevocationList | Refusal> => {
  const list = readSignedList(der, root)
  if (isRefusal(list)) return list
  try {
    while (indexSome(list, CRL_SLICE_ENTRIES)) await setImmediate()
    return new VerifiedList(list)
  } catch (cause) {
    return refusalFor('crl-malformed', cause)
  }
}

/** Whether the root has signed the list; its entries are not looked at. */
export const isListOf = (der: Uint8Array, root: Root): boolean => !isRefusal(readSignedList(der, root))

/** `crl-not-yet-valid` before thisUpdate, `crl-stale` after nextUpdate; both by more than the skew. */
export const checkFresh = (list: RevocationList, at: number, skewMs: number): Refusal | null => {
  const { thisUpdate, nextUpdate } = list
  if (at < thisUpdate - skewMs) return refuse('crl-not-yet-valid', `made on ${dateText(thisUpdate)}`)
  return at > nextUpdate + skewMs ? refuse('crl-stale', `due on ${dateText(nextUpdate)}`) : null
}

/** `crl-older` unless the list's number is above the one of the list that is held. */
export const checkNewer = (list: RevocationList, held: RevocationList): Refusal | null =>
  list.number > held.number ? null : refuse('crl-older', `number ${list.number}, and ${held.number} is here`)

/** All but the entries. */
const readSignedList = (der: Uint8Array, root: Root): Reading | Refusal =>
  readDer(
    der,
    'crl-malformed',
    (list) => {
      const { body, algorithm: outer, signature } = readSigned(list)
      const [version, inner, issuer, thisUpdate, nextUpdate, ...rest] = children(body, TAG.sequence, [6, 7])
      if (toHex(content(version, TAG.integer)) !== '01') return malformed('not version 2')
      const algorithm = readAlgorithm(outer, inner)
      if (algorithm === null) return malformed('another signature algorithm, or two')
      const { certificate, understood, publicKey, keyId } = root
      if (!equal(expect(issuer, TAG.sequence).der, certificate.subject)) return refuse('crl-wrong-issuer')
      // RFC 5280 §6.3.3 (f).
      if (((understood.keyUsage ?? 0) & KEY_USAGE.cRLSign) === 0)
        return refuse('crl-wrong-issuer', 'it may sign no lists')
      // Before anything that takes longer the longer the list is: whoever is not the root gets no further.
      if (!isSignedBy(publicKey, { algorithm, bytes: body.der, signature })) return refuse('crl-bad-signature')
      const times = { thisUpdate: readTime(thisUpdate), nextUpdate: readTime(nextUpdate) }
      if (times.nextUpdate < times.thisUpdate) return malformed('it ends before it begins')
      const extensions = readListExtensions(rest.at(-1))
      if (!equal(extensions.keyId, keyId)) return refuse('crl-wrong-issuer', "the issuer's key is another one")
      // RFC 5280 §5.1.2.6: absent when there is none.
      const entries = rest.length === 1 ? NONE : content(rest[0], TAG.sequence)
      if (rest.length === 2 && entries.byteLength === 0) return malformed('an empty list of entries')
      const index = new SerialIndex(entries, countEntries(entries))
      return { der, number: extensions.number, ...times, cursor: { bytes: entries, at: 0 }, index }
    },
    CRL_MAX_BYTES,
  )

const NONE = new Uint8Array()

/** RFC 5280 §5.2: both are a MUST; others make it a list of something else than all that the root has revoked. */
const readListExtensions = (item: Element | undefined): { keyId: Uint8Array; number: number } => {
  const [list] = children(item, TAG.explicit(0), 1)
  const extensions = readExtensions(list)
  for (const { oid, critical } of extensions.values()) {
    if (critical || (oid !== OID.authorityKeyIdentifier && oid !== OID.crlNumber)) malformed(`extension ${oid}`)
  }
  const value = (oid: string): Element =>
    onlyElement(extensions.get(oid)?.value ?? malformed(`extension ${oid} is missing`))
  const [keyId] = children(value(OID.authorityKeyIdentifier), TAG.sequence, 1)
  return { keyId: content(keyId, TAG.implicit(0)), number: readNatural(value(OID.crlNumber)) }
}

/** Reads entries and notes their serial numbers; false once there are no more. */
const indexSome = ({ cursor, index }: Reading, most: number): boolean => {
  const { byteLength } = cursor.bytes
  for (let count = 0; count < most && cursor.at < byteLength; count++) {
    const { from, to } = readEntry(cursor)
    if (!index.add(from, to)) malformed('a serial number twice')
  }
  return cursor.at < byteLength
}

const countEntries = (entries: Uint8Array): number => {
  const cursor = { bytes: entries, at: 0 }
  let count = 0
  for (; cursor.at < entries.byteLength; count++) cursor.at = enter(cursor, TAG.sequence)
  return count
}

const entryOf = (cursor: Cursor): RevocationEntry => {
  const { from, to, date, reason } = readEntry(cursor)
  return { serial: toHex(cursor.bytes.subarray(from, to)), date, reason }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
