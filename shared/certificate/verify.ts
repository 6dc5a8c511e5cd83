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
import { type Certificate, readCertificate } from './certificate.ts'
import { compareExtensions, compareKind, equal, readUri } from './compare.ts'
import { OID } from './extensions.ts'
import { dateText, type Path, type Root, verifyLink, verifyRoot } from './link.ts'
import { readCommonName } from './name.ts'
import {
  authorityKeyIdentifier,
  CA_NAME,
  certificateUri,
  deviceExtensions,
  rootExtensions,
  rootUri,
} from './profile.ts'

declare const checked: unique symbol

/**
 * The newest root of a network that is known here, checked once, and those before it: what every other certificate is
 * held against.
 */
export type TrustAnchor = {
  readonly [checked]: true
  /** Of the first root. */
  readonly network: NetworkId
  /** The network's name: the common name of all its roots. */
  readonly name: string
  /** 1 for the first root, and one more for each that follows. */
  readonly generation: number
  readonly certificate: Uint8Array
  readonly spki: Uint8Array
  readonly publicKey: KeyObject
  /** The root's Name, DER: the issuer of every certificate here. */
  readonly subject: Uint8Array
  readonly keyId: Uint8Array
  readonly notAfter: number
  readonly root: Root
  /** The roots before it, the newest first; `lineage.ts` puts them here. */
  readonly elders: readonly Elder[]
}

/** A root that another has followed. It stands as long as the newer ones speak for it. */
export type Elder = {
  readonly root: Root
  /** Until when its certificates are taken, milliseconds since the Unix epoch. */
  readonly until: number
  /** Serial numbers of the certificates in which the newer roots speak for it: when one is revoked, its time is over. */
  readonly vouchers: readonly string[]
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

/**
 * The root, if it is a root of our profile that has signed itself and is in its time. Which network it is of, a root that
 * follows another only claims: `lineage.ts` follows it up to the first.
 * @param expiry `forgiven` for a root that another has followed
 */
export const trustAnchor = (
  rootDer: Uint8Array,
  now: number,
  expiry: 'counts' | 'forgiven' = 'counts',
): TrustAnchor | Refusal => {
  const root = verifyRoot(rootDer, { at: now, usage: 'any', skewMs: CLOCK_SKEW_MS, expiry })
  if (isRefusal(root)) return root
  const { spki, subject, notAfter } = root.certificate
  const name = readCommonName(subject)
  if (name === null) return refuse('certificate-wrong-profile', 'the subject is not one common name')
  const place = readPlace(root.certificate)
  if (isRefusal(place)) return place
  const { network, generation, uri } = place
  const refused =
    compareKind(root.certificate, root.publicKey) ?? compareExtensions(root.certificate, rootExtensions(spki, uri))
  if (refused !== null) return refused
  const facts = { network, name, generation, certificate: rootDer, spki, publicKey: root.publicKey, subject }
  return { ...facts, notAfter, keyId: root.keyId, root, elders: NO_ELDERS } as TrustAnchor
}

const NO_ELDERS: readonly Elder[] = []

type Place = { readonly network: NetworkId; readonly generation: number; readonly uri?: string }

const ROOT_URI = /^lanyard:\/\/([a-z2-7]{52})\/~root\/([1-9]\d{0,3})$/

/** Which root of which network it is. */
const readPlace = (root: Certificate): Place | Refusal => {
  if (!root.extensions.has(OID.subjectAlternativeName)) return { network: networkIdOf(root.spki), generation: 1 }
  const uri = readUri(root)
  if (isRefusal(uri)) return uri
  const [, network, number] = ROOT_URI.exec(uri) ?? []
  const generation = Number(number)
  if (network === undefined || !(generation > 1)) {
    return refuse('certificate-wrong-profile', 'its name is not that of a root')
  }
  return { network: network as NetworkId, generation, uri: rootUri(network as NetworkId, generation) }
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

const verifyLeaf = (der: Uint8Array, checks: DeviceChecks): Facts<Holder> | Refusal => {
  const { anchor, now, remoteSpki, at } = checks
  const leaf = readCertificate(der)
  if (isRefusal(leaf)) return leaf
  const root = rootOf(leaf, checks)
  if (isRefusal(root)) return root
  const expiry = at === 'any-time' ? 'forgiven' : 'counts'
  const path = verifyLink(leaf, root, { at: now, usage: 'clientAuth', skewMs: CLOCK_SKEW_MS, expiry })
  if (isRefusal(path)) return path
  return compareKeys(leaf, remoteSpki) ?? checkProfile(path, anchor)
}

/** The root whose key the certificate names as its issuer's; of one that names none of ours, the newest says what is wrong. */
const rootOf = (leaf: Certificate, { anchor, now, at, revoked }: DeviceChecks): Root | Refusal => {
  if (anchor.elders.length === 0) return anchor.root
  const issuer = leaf.extensions.get(OID.authorityKeyIdentifier)?.value ?? new Uint8Array()
  const elder = anchor.elders.find(({ root }) => equal(authorityKeyIdentifier(root.keyId), issuer))
  if (elder === undefined) return anchor.root
  const stands = now <= elder.until + CLOCK_SKEW_MS && !elder.vouchers.some((serial) => revoked?.(serial))
  return stands || at === 'any-time' ? elder.root : refuse('root-ended', `its time was until ${dateText(elder.until)}`)
}

type Holder = UserName | typeof CA_NAME

/** Our profile, on top of what RFC 5280 asks: what the certificate says of the device, or the first reason against it. */
export const checkProfile = ({ leaf, publicKey, root }: Path, anchor: TrustAnchor): Facts<Holder> | Refusal => {
  const kind = compareKind(leaf, publicKey)
  if (kind !== null) return kind
  const peerId = peerIdOfSpki(leaf.spki)
  const subject = readSubject(leaf)
  if (isRefusal(subject)) return subject
  const { user } = subject
  const uri = certificateUri(anchor.network, user, peerId)
  const expected = deviceExtensions({ uri, spki: leaf.spki, issuerKeyId: root.keyId })
  const refused = compareExtensions(leaf, expected)
  if (refused !== null) return refused
  if (leaf.notAfter > root.certificate.notAfter) return refuse('certificate-wrong-profile', 'it outlives its root')
  const { der, spki, serial, notBefore, notAfter } = leaf
  const facts = { user, peerId, network: anchor.network, publicKey, spki, serial, notBefore, notAfter }
  return { ...facts, certificate: der, hash: certificateHashOf(der) }
}

const LANYARD_URI = /^lanyard:\/\/[a-z2-7]{52}\/([^/]{1,32})\/[^/]+$/

/** The user of the one URI, who must be the common name; the rest of the URI is compared with what it should be. */
const readSubject = (leaf: Certificate): { user: Holder } | Refusal => {
  const uri = readUri(leaf)
  if (isRefusal(uri)) return uri
  const text = LANYARD_URI.exec(uri)?.[1]
  if (text === undefined) return refuse('certificate-wrong-profile', 'its name is no lanyard URI')
  if (readCommonName(leaf.subject) !== text) return refuse('certificate-wrong-profile', 'its two user names differ')
  const user = text === CA_NAME ? text : userNameOf(text)
  return isRefusal(user) ? refuse('certificate-wrong-profile', 'the user name breaks the rule') : { user }
}

const compareKeys = (leaf: Certificate, remoteSpki: Uint8Array | undefined): Refusal | null =>
  remoteSpki === undefined || equal(leaf.spki, remoteSpki) ? null : refuse('certificate-wrong-key')
