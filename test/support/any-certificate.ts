import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Extension } from '../../shared/certificate/certificate.ts'
import { OID } from '../../shared/certificate/extensions.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import {
  bits,
  boolean,
  commonName,
  embed,
  encode,
  explicit,
  extension,
  implicit,
  integer,
  nothing,
  octets,
  oid,
  type Part,
  sequence,
  time,
} from '../../shared/certificate/x509.ts'
import { DAY_MS, HOUR_MS } from '../../shared/limits.ts'
import { newKey } from './certificates.ts'

// Certificates and lists of any kind, for what must work without our profile: published suites, and RFC 5280 itself.

/** Who signs: a private key, and how. */
export type Signer = { readonly key: KeyObject; readonly algorithm: Part; readonly hash: string | null }

const rsa = (type: string, hash: string, key = newKey()): Signer => ({
  key,
  hash,
  algorithm: sequence(oid(type), nothing()),
})
const curve = (namedCurve: string, type: string, hash: string): Signer => ({
  key: generateKeyPairSync('ec', { namedCurve }).privateKey,
  hash,
  algorithm: sequence(oid(type)),
})

export const signers = {
  rsa: (key?: KeyObject): Signer => rsa('1.2.840.113549.1.1.11', 'sha256', key),
  rsaSha384: (): Signer => rsa('1.2.840.113549.1.1.12', 'sha384'),
  rsaSha512: (): Signer => rsa('1.2.840.113549.1.1.13', 'sha512'),
  rsaSha1: (): Signer => rsa('1.2.840.113549.1.1.5', 'sha1'),
  p256: (): Signer => curve('P-256', '1.2.840.10045.4.3.2', 'sha256'),
  p384: (): Signer => curve('P-384', '1.2.840.10045.4.3.3', 'sha384'),
  p521: (): Signer => curve('P-521', '1.2.840.10045.4.3.4', 'sha512'),
  ed25519: (): Signer => ({
    key: generateKeyPairSync('ed25519').privateKey,
    hash: null,
    algorithm: sequence(oid('1.3.101.112')),
  }),
} as const

export const signBy = ({ key, hash }: Signer, bytes: Uint8Array): Uint8Array => new Uint8Array(sign(hash, bytes, key))

/** `SEQUENCE { body, algorithm, signature }`. */
export const signed = (body: Part, signer: Signer): Uint8Array =>
  encode(sequence(body, signer.algorithm, bits(signBy(signer, encode(body)))))

/** RFC 5280 §4.2.1.2 method 1, as most CAs do it. */
export const keyIdOf = (key: KeyObject): Uint8Array => new Uint8Array(createHash('sha1').update(spkiOf(key)).digest())

export const ext = (type: string, value: Part, critical = false): Extension => ({
  oid: type,
  critical,
  value: encode(value),
})

export const extensions = {
  authority: (pathLength?: number) =>
    ext(
      OID.basicConstraints,
      sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])),
      true,
    ),
  noAuthority: () => ext(OID.basicConstraints, sequence(), true),
  /** Bits as RFC 5280 §4.2.1.3 numbers them, the first on the left. */
  usage: (byte: number, unused: number) => ext(OID.keyUsage, bits(Uint8Array.of(byte), unused), true),
  purposes: (...types: readonly string[]) => ext(OID.extendedKeyUsage, sequence(...types.map(oid))),
  subjectKey: (keyId: Uint8Array) => ext(OID.subjectKeyIdentifier, octets(keyId)),
  authorityKey: (keyId: Uint8Array) => ext(OID.authorityKeyIdentifier, sequence(implicit(0, keyId))),
  names: (...names: readonly Part[]) => ext(OID.subjectAlternativeName, sequence(...names)),
} as const

export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

export type Order = {
  readonly signer: Signer
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  readonly extensions: readonly Extension[]
  readonly notBefore: number
  readonly notAfter: number
  readonly serial: Uint8Array
}

const certificate = (order: Order): Uint8Array =>
  signed(
    sequence(
      explicit(0, integer(2)),
      integer(order.serial),
      order.signer.algorithm,
      embed(order.issuer),
      sequence(time(order.notBefore), time(order.notAfter)),
      embed(order.subject),
      embed(order.spki),
      explicit(3, sequence(...order.extensions.map(extension))),
    ),
    order.signer,
  )

export type ListOrder = {
  readonly signer: Signer
  readonly issuer: Uint8Array
  readonly thisUpdate: number
  readonly nextUpdate: number
  /** As they are to stand there; null for none, which is not an empty list of them. */
  readonly entries: readonly Part[] | null
  readonly extensions: readonly Extension[]
}

const list = (order: ListOrder): Uint8Array =>
  signed(
    sequence(
      integer(1),
      order.signer.algorithm,
      embed(order.issuer),
      time(order.thisUpdate),
      time(order.nextUpdate),
      ...(order.entries === null ? [] : [sequence(...order.entries)]),
      explicit(0, sequence(...order.extensions.map(extension))),
    ),
    order.signer,
  )

/** A root with whatever is asked of it, and what it signs; with no changes, all as RFC 5280 wants it. */
export const anyAuthority = (now: number, signer: Signer = signers.p256(), changes: Partial<Order> = {}) => {
  const name = commonName('any root')
  const keyId = keyIdOf(signer.key)
  const leafKey = signers.p256().key
  const root = certificate({
    signer,
    issuer: name,
    subject: name,
    spki: spkiOf(signer.key),
    extensions: [extensions.authority(), extensions.usage(0b0000_0110, 1), extensions.subjectKey(keyId)],
    notBefore: now - DAY_MS,
    notAfter: now + 365 * DAY_MS,
    serial: Uint8Array.of(1),
    ...changes,
  })
  return {
    signer,
    root,
    keyId,
    leaf: (changed: Partial<Order> = {}): Uint8Array =>
      certificate({
        signer,
        issuer: name,
        subject: commonName('any leaf'),
        spki: spkiOf(leafKey),
        extensions: leafExtensions(keyId, keyIdOf(leafKey)),
        notBefore: now - HOUR_MS,
        notAfter: now + DAY_MS,
        serial: LEAF_SERIAL,
        ...changed,
      }),
    list: (changed: Partial<ListOrder> = {}): Uint8Array =>
      list({
        signer,
        issuer: name,
        thisUpdate: now - HOUR_MS,
        nextUpdate: now + DAY_MS,
        entries: [entry(Uint8Array.of(7), now - HOUR_MS)],
        extensions: [extensions.authorityKey(keyId), ext(OID.crlNumber, integer(5))],
        ...changed,
      }),
  }
}

export const LEAF_SERIAL = Uint8Array.of(0x2a, 1, 2, 3)

export const leafExtensions = (issuerKeyId: Uint8Array, keyId: Uint8Array): readonly Extension[] => [
  extensions.authorityKey(issuerKeyId),
  extensions.noAuthority(),
  extensions.usage(0b1000_0000, 7),
  extensions.purposes(CLIENT_AUTH, SERVER_AUTH),
  extensions.names(implicit(2, Buffer.from('any.example'))),
  extensions.subjectKey(keyId),
]

/** An entry of a list (RFC 5280 §5.1.2.6), with extensions of its own. */
export const entry = (serial: Uint8Array, date: number, ...own: readonly Extension[]): Part =>
  sequence(integer(serial), time(date), ...(own.length === 0 ? [] : [sequence(...own.map(extension))]))
