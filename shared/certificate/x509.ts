import asn1, { type Asn1 } from 'node-forge/lib/asn1.js'
import { toHex } from '../ids.ts'
import type { Extension } from './certificate.ts'
import { children, type Element, onlyElement, TAG } from './der.ts'

// The one file that knows node-forge, which builds structures; it neither reads (der.ts does), nor signs, nor verifies.

/** One ASN.1 element to be encoded. */
export type Part = Asn1

export type CertificateFields = {
  /** Big-endian, unsigned. */
  readonly serial: Uint8Array
  /** The issuer's and subject's Name, DER. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** Milliseconds since the Unix epoch; a certificate keeps whole seconds. */
  readonly notBefore: number
  readonly notAfter: number
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  readonly extensions: readonly Extension[]
}

type Sign = (tbs: Uint8Array) => Uint8Array

export const buildCertificate = (fields: CertificateFields, sign: Sign): Uint8Array =>
  buildSigned(
    sequence(
      explicit(0, integer(2)), // v3
      integer(fields.serial),
      SHA256_WITH_RSA_ID,
      embed(fields.issuer),
      sequence(time(fields.notBefore), time(fields.notAfter)),
      embed(fields.subject),
      embed(fields.spki),
      explicit(3, sequence(...fields.extensions.map(extension))),
    ),
    sign,
  )

/** `SEQUENCE { body, sha256WithRSAEncryption, BIT STRING }`: certificates, requests and revocation lists alike. */
export const buildSigned = (body: Part, sign: Sign): Uint8Array =>
  encode(sequence(body, SHA256_WITH_RSA_ID, bits(sign(encode(body)))))

/** A Name of one common name. */
export const commonName = (text: string): Uint8Array => encode(sequence(set(sequence(oid(COMMON_NAME), utf8(text)))))

const element = (tag: number, value: string | readonly Part[]): Part =>
  asn1.create(tag & 0xc0, tag & 0x1f, (tag & 0x20) !== 0, value)
const toBinary = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
const fromBinary = (binary: string): Uint8Array => new Uint8Array(Buffer.from(binary, 'latin1'))

export const encode = (item: Part): Uint8Array => fromBinary(asn1.toDer(item).getBytes())
/** DER that we made or have read already, as an element of a larger structure. */
export const embed = (der: Uint8Array): Part => partOf(onlyElement(der))
const partOf = (item: Element): Part =>
  element(item.tag, (item.tag & 0x20) === 0 ? toBinary(item.body) : children(item, item.tag).map(partOf))
export const sequence = (...items: readonly Part[]): Part => element(TAG.sequence, items)
export const set = (...items: readonly Part[]): Part => element(TAG.set, items)
export const explicit = (n: number, item?: Part): Part => element(TAG.explicit(n), item === undefined ? [] : [item])
export const implicit = (n: number, bytes: Uint8Array): Part => element(TAG.implicit(n), toBinary(bytes))
export const boolean = (value: boolean): Part => element(TAG.boolean, value ? '\xff' : '\x00')
export const nothing = (): Part => element(TAG.null, '')
export const octets = (bytes: Uint8Array): Part => element(TAG.octets, toBinary(bytes))
export const bits = (bytes: Uint8Array, unused = 0): Part =>
  element(TAG.bits, String.fromCharCode(unused) + toBinary(bytes))
export const oid = (dotted: string): Part => element(TAG.oid, asn1.oidToDer(dotted).getBytes())
export const utf8 = (text: string): Part => element(TAG.utf8, Buffer.from(text, 'utf8').toString('latin1'))

/** A non-negative INTEGER in the fewest bytes. */
export const integer = (value: number | Uint8Array): Part => {
  const hex = typeof value === 'number' ? value.toString(16) : toHex(value)
  const digits = hex.replace(/^0+/, '') || '0'
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  const unsigned = Buffer.from(even, 'hex').toString('latin1')
  return element(TAG.integer, unsigned.charCodeAt(0) < 0x80 ? unsigned : `\x00${unsigned}`)
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050, whole seconds, always Z. */
export const time = (ms: number): Part => {
  const digits = new Date(ms).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
  return digits < '2050' ? element(TAG.utcTime, digits.slice(2)) : element(TAG.generalizedTime, digits)
}

export const extension = ({ oid: type, critical, value }: Extension): Part =>
  sequence(oid(type), ...(critical ? [boolean(true)] : []), octets(value))

const COMMON_NAME = '2.5.4.3'
/** An AlgorithmIdentifier; RFC 4055 §5: the parameters MUST be NULL. */
export const SHA256_WITH_RSA_ID = sequence(oid('1.2.840.113549.1.1.11'), nothing())
