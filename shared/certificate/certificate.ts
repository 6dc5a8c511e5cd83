import { type Refusal, refuse } from '../errors.ts'
import { toHex } from '../ids.ts'
import { SERIAL_MAX_BYTES } from '../limits.ts'
import { type SignatureAlgorithm, signatureAlgorithmOf } from './algorithm.ts'
import { children, content, type Element, expect, malformed, readDer, TAG } from './der.ts'
import { readBits, readOid, readPositive, readTime, readTrue } from './der-value.ts'
import { readName } from './name.ts'

/** RFC 5280 §4.2: `value` is the DER inside the extension's OCTET STRING. */
export type Extension = { readonly oid: string; readonly critical: boolean; readonly value: Uint8Array }

/**
 * A certificate as read (RFC 5280 §4.1): well-formed, and nothing more. Its parts are views of `der`; names are raw DER,
 * to be compared byte by byte.
 */
export type Certificate = {
  readonly der: Uint8Array
  /** The bytes that the signature covers. */
  readonly tbs: Uint8Array
  readonly algorithm: SignatureAlgorithm
  readonly signature: Uint8Array
  /** Lower-case hex, without leading zero bytes. */
  readonly serial: string
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number
  readonly notAfter: number
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** By OID; no OID comes twice. */
  readonly extensions: ReadonlyMap<string, Extension>
}

/** A v3 certificate in canonical DER, or `certificate-malformed`, `certificate-wrong-algorithm`; never throws. */
export const readCertificate = (der: Uint8Array): Certificate | Refusal =>
  readDer(der, 'certificate-malformed', (root) => {
    const { body, algorithm: outer, signature } = readSigned(root)
    // The two unique identifiers that may follow the key are for CAs that reuse names (§4.1.2.8): they make it nine.
    const [version, serial, inner, issuer, validity, subject, spki, extensions] = children(body, TAG.sequence, 8)
    const [number] = children(version, TAG.explicit(0), 1)
    if (toHex(content(number, TAG.integer)) !== '02') return malformed('not version 3')
    const algorithm = readAlgorithm(outer, inner)
    if (algorithm === null) return refuse('certificate-wrong-algorithm')
    const [notBefore, notAfter] = readValidity(validity)
    const [list] = children(extensions, TAG.explicit(3), 1)
    return {
      der,
      tbs: body.der,
      algorithm,
      signature,
      serial: readSerial(serial),
      issuer: readName(issuer),
      subject: readName(subject),
      notBefore,
      notAfter,
      spki: expect(spki, TAG.sequence).der,
      extensions: readExtensions(list),
    }
  })

/**
 * `SEQUENCE { body, algorithm, BIT STRING }`: certificates, requests and revocation lists alike.
 * @throws inside `readDer` only
 */
export const readSigned = (root: Element): { body: Element; algorithm: Element; signature: Uint8Array } => {
  const [body, algorithm, signature] = children(root, TAG.sequence, 3)
  return {
    body: expect(body, TAG.sequence),
    algorithm: expect(algorithm, TAG.sequence),
    signature: readBits(signature),
  }
}

/** RFC 5280 §4.1.1.2: the algorithm that the signature covers must be the one beside it. Null: it is not, or not taken. */
export const readAlgorithm = (outer: Element, inner: Element | undefined): SignatureAlgorithm | null =>
  Buffer.compare(outer.der, expect(inner, TAG.sequence).der) === 0 ? signatureAlgorithmOf(outer.der) : null

/** RFC 5280 §4.2: at least one extension, and no more than one instance of each. */
export const readExtensions = (list: Element | undefined): ReadonlyMap<string, Extension> => {
  const found = new Map<string, Extension>()
  for (const item of children(list, TAG.sequence)) {
    const parts = children(item, TAG.sequence)
    const critical = parts.length === 3 && readTrue(parts[1])
    if (!critical && parts.length !== 2) return malformed('an extension has too many or too few parts')
    const oid = readOid(parts[0])
    if (found.has(oid)) return malformed(`extension ${oid} twice`)
    found.set(oid, { oid, critical, value: content(parts.at(-1), TAG.octets) })
  }
  return found.size > 0 ? found : malformed('a list of no extensions')
}

// RFC 5280 §4.1.2.2: positive, at most 20 octets.
const readSerial = (item: Element | undefined): string =>
  content(item, TAG.integer).byteLength <= SERIAL_MAX_BYTES
    ? toHex(readPositive(item))
    : malformed('the serial number is too long')

const readValidity = (item: Element | undefined): [notBefore: number, notAfter: number] => {
  const [from, to] = children(item, TAG.sequence, 2)
  const [notBefore, notAfter] = [readTime(from), readTime(to)]
  return notBefore <= notAfter ? [notBefore, notAfter] : malformed('it ends before it begins')
}
