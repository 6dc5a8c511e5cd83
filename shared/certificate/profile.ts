import { type KeyObject, sign } from 'node:crypto'
import { orThrow } from '../errors.ts'
import { type NetworkId, type PeerId, sha256, type UserName } from '../ids.ts'
import { CERTIFICATE_BACKDATE_MS, CERTIFICATE_LIFETIME_MS, ROOT_LIFETIME_MS, SERIAL_BYTES } from '../limits.ts'
import { peerIdOfSpki } from '../network/peer-id.ts'
import type { Random } from '../random.ts'
import { type Extension, readCertificate } from './certificate.ts'
import { OID } from './extensions.ts'
import { keyBitsOf, spkiOf } from './rsa-key.ts'
import {
  bits,
  boolean,
  buildCertificate,
  commonName,
  encode,
  implicit,
  integer,
  octets,
  oid,
  sequence,
} from './x509.ts'

/** The root certificate (DER) and its private key. */
export type Issuer = { readonly certificate: Uint8Array; readonly key: KeyObject }

export type RootOrder = {
  readonly key: KeyObject
  readonly networkName: string
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  readonly random: Random
}

export type NextRootOrder = {
  readonly key: KeyObject
  /** The Name of the root before it, DER. */
  readonly subject: Uint8Array
  readonly network: NetworkId
  readonly generation: number
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  readonly random: Random
}

export type CrossOrder = {
  readonly issuer: Issuer
  /** The certificate of the root that is certified, DER. */
  readonly subject: Uint8Array
  /** The subject's number. */
  readonly generation: number
  readonly network: NetworkId
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number
  readonly notAfter: number
  readonly random: Random
}

export type CaOrder = {
  readonly issuer: Issuer
  readonly network: NetworkId
  /** The subject's SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  readonly random: Random
  /** Milliseconds from `now`; never longer than the root's own. */
  readonly lifetimeMs?: number
}

export type DeviceOrder = CaOrder & { readonly user: UserName }

/** What stands for the user in the CA's own certificate: no user name can contain a tilde. */
export const CA_NAME = '~ca'

/** The self-signed root of a new network, valid for 10 years. */
export const createRoot = ({ key, networkName, now, random }: RootOrder): Uint8Array => {
  const spki = spkiOf(key)
  const name = commonName(networkName)
  return buildCertificate(
    {
      serial: random.bytes(SERIAL_BYTES),
      issuer: name,
      subject: name,
      notBefore: now - CERTIFICATE_BACKDATE_MS,
      notAfter: now + ROOT_LIFETIME_MS,
      spki,
      extensions: rootExtensions(spki),
    },
    signWith(key),
  )
}

/** A device's certificate; blocks for one signature of the root's key (6 ms with RSA-4096). */
export const issueDevice = ({ user, lifetimeMs = CERTIFICATE_LIFETIME_MS, ...order }: DeviceOrder): Uint8Array =>
  issue(order, user, lifetimeMs)

/** The CA node's own certificate: a device's profile under the name `~ca`, for as long as the root unless told otherwise. */
export const issueCa = ({ lifetimeMs = ROOT_LIFETIME_MS, ...order }: CaOrder): Uint8Array =>
  issue(order, CA_NAME, lifetimeMs)

/** The self-signed root that follows another under the same name, for 10 years again. */
export const createNextRoot = (order: NextRootOrder): Uint8Array => {
  const { key, subject, now } = order
  const spki = spkiOf(key)
  const extensions = rootExtensions(spki, rootUri(order.network, order.generation))
  const times = { notBefore: now - CERTIFICATE_BACKDATE_MS, notAfter: now + ROOT_LIFETIME_MS }
  const fields = { serial: order.random.bytes(SERIAL_BYTES), issuer: subject, subject, spki, extensions }
  return buildCertificate({ ...fields, ...times }, signWith(key))
}

/** One root's key, certified by another root of the network: they bear one name, so it is self-issued (RFC 5280 §3.2). */
export const createCross = (order: CrossOrder): Uint8Array => {
  const { issuer, subject, notBefore, notAfter, network, generation, random } = order
  const { subject: name, spki: issuerSpki } = orThrow(readCertificate(issuer.certificate))
  const { spki } = orThrow(readCertificate(subject))
  const extensions = crossExtensions({ uri: rootUri(network, generation), spki, issuerKeyId: keyIdOf(issuerSpki) })
  const fields = { serial: random.bytes(SERIAL_BYTES), issuer: name, subject: name, notBefore, notAfter, spki }
  return buildCertificate({ ...fields, extensions }, signWith(issuer.key))
}

/** Which root of which network this is: `lanyard://<network id>/~root/<number>`; the first one, number 1, has no such name. */
export const rootUri = (network: NetworkId, generation: number): string => `lanyard://${network}/~root/${generation}`

/** The one subject alternative name, in the manner of SPIFFE: `lanyard://<network id>/<user>/<PeerId>`. */
export const certificateUri = (network: NetworkId, user: UserName | typeof CA_NAME, peerId: PeerId): string =>
  `lanyard://${network}/${user}/${peerId}`

/** RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the key's bits. */
export const keyIdOf = (spki: Uint8Array): Uint8Array => sha256(orThrow(keyBitsOf(spki))).subarray(0, 20)

// RFC 5280 §4.2.1.3, from bit 0 on the left: digitalSignature 0, keyEncipherment 2; keyCertSign 5, cRLSign 6.
const DEVICE_KEY_USAGE = encode(bits(Uint8Array.of(0b1010_0000), 5))
const ROOT_KEY_USAGE = encode(bits(Uint8Array.of(0b0000_0110), 1))
// RFC 5280 §4.2.1.9: CA:false is the default, so DER leaves it out.
const DEVICE_CONSTRAINTS = encode(sequence())
const ROOT_CONSTRAINTS = encode(sequence(boolean(true), integer(0)))
// RFC 5280 §4.2.1.12: clientAuth, serverAuth.
const DEVICE_EXTENDED_USAGE = encode(sequence(oid('1.3.6.1.5.5.7.3.2'), oid('1.3.6.1.5.5.7.3.1')))

const extension = (type: string, critical: boolean, value: Uint8Array): Extension => ({ oid: type, critical, value })

/** The extensions of a root, no more and no fewer. @param uri of every root but the first: `rootUri` */
export const rootExtensions = (spki: Uint8Array, uri?: string): readonly Extension[] => [
  extension(OID.basicConstraints, true, ROOT_CONSTRAINTS),
  extension(OID.keyUsage, true, ROOT_KEY_USAGE),
  ...(uri === undefined ? [] : [alternativeName(uri)]),
  extension(OID.subjectKeyIdentifier, false, encode(octets(keyIdOf(spki)))),
]

type Certified = { readonly uri: string; readonly spki: Uint8Array; readonly issuerKeyId: Uint8Array }

/** The extensions of a root's certificate from another root, no more and no fewer. */
export const crossExtensions = ({ uri, spki, issuerKeyId }: Certified): readonly Extension[] => [
  extension(OID.authorityKeyIdentifier, false, authorityKeyIdentifier(issuerKeyId)),
  ...rootExtensions(spki, uri),
]

/** The extensions of a device's certificate, no more and no fewer: the CA writes these, and the verifier compares. */
export const deviceExtensions = (subject: Certified): readonly Extension[] => [
  extension(OID.authorityKeyIdentifier, false, authorityKeyIdentifier(subject.issuerKeyId)),
  extension(OID.basicConstraints, true, DEVICE_CONSTRAINTS),
  extension(OID.keyUsage, true, DEVICE_KEY_USAGE),
  extension(OID.extendedKeyUsage, false, DEVICE_EXTENDED_USAGE),
  alternativeName(subject.uri),
  extension(OID.subjectKeyIdentifier, false, encode(octets(keyIdOf(subject.spki)))),
]

const alternativeName = (uri: string): Extension =>
  extension(OID.subjectAlternativeName, false, encode(sequence(implicit(6, Buffer.from(uri, 'ascii')))))

/** RFC 5280 §4.2.1.1: the key identifier alone. */
export const authorityKeyIdentifier = (keyId: Uint8Array): Uint8Array => encode(sequence(implicit(0, keyId)))

const signWith = (key: KeyObject) => (tbs: Uint8Array) => new Uint8Array(sign('sha256', tbs, key))

const issue = (order: CaOrder, user: UserName | typeof CA_NAME, lifetimeMs: number): Uint8Array => {
  const { issuer, network, spki, now, random } = order
  const root = orThrow(readCertificate(issuer.certificate))
  const uri = certificateUri(network, user, peerIdOfSpki(spki))
  return buildCertificate(
    {
      serial: random.bytes(SERIAL_BYTES),
      issuer: root.subject,
      subject: commonName(user),
      notBefore: now - CERTIFICATE_BACKDATE_MS,
      notAfter: Math.min(now + lifetimeMs, root.notAfter),
      spki,
      extensions: deviceExtensions({ uri, spki, issuerKeyId: keyIdOf(root.spki) }),
    },
    signWith(issuer.key),
  )
}
