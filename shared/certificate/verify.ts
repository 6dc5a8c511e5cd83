import type { KeyObject } from 'node:crypto'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import {
  type CertificateHash,
  certificateHashOf,
  type NetworkId,
  networkIdOf,
  type PeerId,
  type UserName,
} from '../ids.ts'
import { CLOCK_SKEW_MS } from '../limits.ts'
import { peerIdOfSpki } from '../network/peer-id.ts'
import { userNameOf } from '../user-name.ts'
import { SHA256_WITH_RSA } from './algorithm.ts'
import { type Certificate, type Extension, readCertificate } from './certificate.ts'
import { children, content, readDer, TAG } from './der.ts'
import { OID } from './extensions.ts'
import { type Path, type Root, verifyLink, verifyRoot } from './link.ts'
import { readCommonName } from './name.ts'
import { CA_NAME, certificateUri, deviceExtensions, rootExtensions } from './profile.ts'

declare const checked: unique symbol

/** The root of a network, checked once: what every other certificate is held against. */
export type TrustAnchor = {
  readonly [checked]: true
  readonly network: NetworkId
  /** The network's name: the root's common name. */
  readonly name: string
  readonly certificate: Uint8Array
  readonly spki: Uint8Array
  readonly publicKey: KeyObject
  /** The root's Name, DER: the issuer of every certificate here. */
  readonly subject: Uint8Array
  readonly keyId: Uint8Array
  readonly notAfter: number
  readonly root: Root
}

type Facts<User> = {
  readonly user: User
  readonly peerId: PeerId
  readonly network: NetworkId
  readonly publicKey: KeyObject
  readonly spki: Uint8Array
  /** Lower-case hex. */
  readonly serial: string
  readonly certificate: Uint8Array
  readonly hash: CertificateHash
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number
  readonly notAfter: number
}

/** A certificate that passed. The private field keeps look-alikes and copies out; only this file calls the constructor. */
class Verified<User> implements Facts<User> {
  readonly #user: User
  readonly peerId: PeerId
  readonly network: NetworkId
  readonly publicKey: KeyObject
  readonly spki: Uint8Array
  readonly serial: string
  readonly certificate: Uint8Array
  readonly hash: CertificateHash
  readonly notBefore: number
  readonly notAfter: number

  constructor(facts: Facts<User>) {
    this.#user = facts.user
    this.peerId = facts.peerId
    this.network = facts.network
    this.publicKey = facts.publicKey
    this.spki = facts.spki
    this.serial = facts.serial
    this.certificate = facts.certificate
    this.hash = facts.hash
    this.notBefore = facts.notBefore
    this.notAfter = facts.notAfter
  }

  get user(): User {
    return this.#user
  }
}

export type VerifiedDevice = Verified<UserName>
export type VerifiedCa = Verified<typeof CA_NAME>

export type CaChecks = {
  readonly anchor: TrustAnchor
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** The key that the connection proved: the certificate must be for this one. SubjectPublicKeyInfo, DER. */
  readonly remoteSpki?: Uint8Array | undefined
}

export type DeviceChecks = CaChecks & {
  /** Whether the serial number (lower-case hex) is on the revocation list. */
  readonly revoked?: ((serial: string) => boolean) | undefined
  /** `any-time` forgives expiry, and only that: a record may be older than the end of its author's certificate. */
  readonly at?: 'now' | 'any-time'
}

/** The root, if it is a root of our profile that has signed itself and is in its time. */
export const trustAnchor = (rootDer: Uint8Array, now: number): TrustAnchor | Refusal => {
  const root = verifyRoot(rootDer, { at: now, usage: 'any', skewMs: CLOCK_SKEW_MS })
  if (isRefusal(root)) return root
  const { spki, subject, notAfter } = root.certificate
  const name = readCommonName(subject)
  if (name === null) return refuse('certificate-wrong-profile', 'the subject is not one common name')
  const refused =
    compareKind(root.certificate, root.publicKey) ?? compareExtensions(root.certificate, rootExtensions(spki))
  if (refused !== null) return refused
  const facts = { network: networkIdOf(spki), name, certificate: rootDer, spki, publicKey: root.publicKey, subject }
  return { ...facts, notAfter, keyId: root.keyId, root } as TrustAnchor
}

/** The device that the certificate names, or the first reason against it; never throws. RFC 5280 §6.1 for one link. */
export const verifyDevice = (der: Uint8Array, checks: DeviceChecks): VerifiedDevice | Refusal => {
  const leaf = verifyLeaf(der, checks)
  if (isRefusal(leaf)) return leaf
  const { user } = leaf
  if (user === CA_NAME) return refuse('certificate-wrong-usage', "the CA's own certificate")
  if (checks.revoked?.(leaf.serial)) return refuse('certificate-revoked', `serial ${leaf.serial}`)
  return new Verified({ ...leaf, user })
}

/** The CA node that the certificate names, or the first reason against it; never throws. */
export const verifyCa = (der: Uint8Array, checks: CaChecks): VerifiedCa | Refusal => {
  const leaf = verifyLeaf(der, checks)
  if (isRefusal(leaf)) return leaf
  if (leaf.user !== CA_NAME) return refuse('certificate-wrong-usage', `the certificate of ${leaf.user}, not of the CA`)
  return new Verified({ ...leaf, user: CA_NAME })
}

const verifyLeaf = (der: Uint8Array, { anchor, now, remoteSpki, at }: DeviceChecks): Facts<Holder> | Refusal => {
  const expiry = at === 'any-time' ? 'forgiven' : 'counts'
  const leaf = readCertificate(der)
  if (isRefusal(leaf)) return leaf
  const path = verifyLink(leaf, anchor.root, { at: now, usage: 'clientAuth', skewMs: CLOCK_SKEW_MS, expiry })
  if (isRefusal(path)) return path
  return compareKeys(leaf, remoteSpki) ?? checkProfile(path, anchor)
}

type Holder = UserName | typeof CA_NAME

/** Our profile, on top of what RFC 5280 asks: what the certificate says of the device, or the first reason against it. */
export const checkProfile = ({ leaf, publicKey }: Path, anchor: TrustAnchor): Facts<Holder> | Refusal => {
  const kind = compareKind(leaf, publicKey)
  if (kind !== null) return kind
  const peerId = peerIdOfSpki(leaf.spki)
  const subject = readSubject(leaf)
  if (isRefusal(subject)) return subject
  const { user } = subject
  const uri = certificateUri(anchor.network, user, peerId)
  const expected = deviceExtensions({ uri, spki: leaf.spki, issuerKeyId: anchor.keyId })
  const refused = compareExtensions(leaf, expected)
  if (refused !== null) return refused
  if (leaf.notAfter > anchor.notAfter) return refuse('certificate-wrong-profile', 'it outlives its root')
  const { der, spki, serial, notBefore, notAfter } = leaf
  const facts = { user, peerId, network: anchor.network, publicKey, spki, serial, notBefore, notAfter }
  return { ...facts, certificate: der, hash: certificateHashOf(der) }
}

/** RSA keys and sha256WithRSAEncryption, of all that a path may have. */
const compareKind = ({ algorithm }: Certificate, key: KeyObject): Refusal | null =>
  algorithm === SHA256_WITH_RSA && key.asymmetricKeyType === 'rsa'
    ? null
    : refuse('certificate-wrong-profile', 'its key is not RSA, or its signature by another algorithm')

const LANYARD_URI = /^lanyard:\/\/[a-z2-7]{52}\/([^/]{1,32})\/[^/]+$/

/** The user of the one URI, who must be the common name; the rest of the URI is compared with what it should be. */
const readSubject = (leaf: Certificate): { user: Holder } | Refusal => {
  const names = leaf.extensions.get(OID.subjectAlternativeName)
  if (names === undefined) return refuse('certificate-wrong-profile', 'no subject alternative name')
  const uri = readDer(names.value, 'certificate-wrong-profile', (root) => {
    const [name] = children(root, TAG.sequence, 1)
    return Buffer.from(content(name, TAG.implicit(6))).toString('latin1')
  })
  if (isRefusal(uri)) return uri
  const text = LANYARD_URI.exec(uri)?.[1]
  if (text === undefined) return refuse('certificate-wrong-profile', 'its name is no lanyard URI')
  if (readCommonName(leaf.subject) !== text) return refuse('certificate-wrong-profile', 'its two user names differ')
  const user = text === CA_NAME ? text : userNameOf(text)
  return isRefusal(user) ? refuse('certificate-wrong-profile', 'the user name breaks the rule') : { user }
}

/** Exactly the expected extensions: none missing, none more, each byte for byte. */
const compareExtensions = (certificate: Certificate, expected: readonly Extension[]): Refusal | null => {
  for (const { oid, critical, value } of expected) {
    const found = certificate.extensions.get(oid)
    if (found === undefined) return refuse(codeFor(oid), `extension ${oid} is missing`)
    if (found.critical !== critical || !equal(found.value, value)) {
      return refuse(codeFor(oid), `extension ${oid} is not what it must be`)
    }
  }
  if (certificate.extensions.size === expected.length) return null
  const strange = [...certificate.extensions.keys()].filter((oid) => expected.every((one) => one.oid !== oid))
  return refuse('certificate-wrong-profile', `unknown extension ${strange.join(', ')}`)
}

const USAGE: readonly string[] = [OID.basicConstraints, OID.keyUsage, OID.extendedKeyUsage]
const codeFor = (oid: string) => (USAGE.includes(oid) ? 'certificate-wrong-usage' : 'certificate-wrong-profile')

const compareKeys = (leaf: Certificate, remoteSpki: Uint8Array | undefined): Refusal | null =>
  remoteSpki === undefined || equal(leaf.spki, remoteSpki) ? null : refuse('certificate-wrong-key')

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
