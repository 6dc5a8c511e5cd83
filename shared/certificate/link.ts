import type { KeyObject } from 'node:crypto'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { isSignedBy, publicKeyOf } from './algorithm.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import { KEY_USAGE, type Understood, understand } from './extensions.ts'
import { isEmptyName, readCommonName } from './name.ts'

// RFC 5280 §6 for the one form of path that we take, root → leaf, as strict as `openssl verify -x509_strict` and stricter.
// What a certificate of ours must be besides is in verify.ts.

declare const checked: unique symbol

/** What the leaf's key is to be used for: RFC 5280 §4.2.1.12. */
export type Usage = 'clientAuth' | 'serverAuth' | 'any'

export type Rules = {
  /** Milliseconds since the Unix epoch: the moment at which everything must be valid. */
  readonly at: number
  readonly usage: Usage
  /** By how much clocks may differ, milliseconds; 0 unless given. */
  readonly skewMs?: number
  /** `forgiven`: a leaf that was good once will do. */
  readonly expiry?: 'counts' | 'forgiven'
}

/** A certificate whose key signs others, held to the rules for one, its own signature included. */
export type Root = {
  readonly [checked]: 'root'
  readonly certificate: Certificate
  readonly publicKey: KeyObject
  readonly keyId: Uint8Array
  readonly understood: Understood
}

/** A leaf that its root has signed, both held to the rules. */
export type Path = {
  readonly [checked]: 'path'
  readonly leaf: Certificate
  readonly publicKey: KeyObject
  readonly root: Root
}

/** The root, or the first reason against it; never throws. */
export const verifyRoot = (der: Uint8Array, rules: Rules): Root | Refusal => {
  const certificate = readCertificate(der)
  if (isRefusal(certificate)) return certificate
  const publicKey = publicKeyOf(certificate.spki)
  if (isRefusal(publicKey)) return publicKey
  if (!equal(certificate.issuer, certificate.subject)) return refuse('certificate-wrong-root', 'not issued by itself')
  if (!signed(certificate, publicKey)) return refuse('certificate-bad-signature')
  const understood = understand(certificate)
  if (isRefusal(understood)) return understood
  const refused =
    checkForm(certificate, understood) ??
    checkIsAuthority(understood) ??
    checkPurpose(understood, rules.usage) ??
    checkTimes(certificate, rules)
  if (refused !== null) return refused
  const { subjectKeyId: keyId, authorityKeyId = keyId } = understood
  if (keyId === undefined || authorityKeyId === undefined) return refuse('certificate-wrong-extension', NO_KEY_ID)
  if (!equal(authorityKeyId, keyId)) return refuse('certificate-wrong-root', OTHER_KEY)
  return { certificate, publicKey, keyId, understood } as Root
}

/** The leaf under its root, or the first reason against it; never throws. Lists of revoked ones are the caller's. */
export const verifyLink = (leaf: Certificate, root: Root, rules: Rules): Path | Refusal => {
  const publicKey = publicKeyOf(leaf.spki)
  const understood = understand(leaf)
  const stranger = checkIssuer(leaf, publicKey, understood, root)
  if (stranger !== null) return stranger
  if (isRefusal(publicKey)) return publicKey
  if (isRefusal(understood)) return understood
  const refused =
    checkForm(leaf, understood) ??
    checkLeafUsage(understood, rules.usage) ??
    checkPurpose(understood, rules.usage) ??
    checkTimes(leaf, rules)
  return refused ?? ({ leaf, publicKey, root } as Path)
}

const OTHER_KEY = "the issuer's key is another one"
const NO_KEY_ID = 'a CA without subject key identifier'

const signed = ({ algorithm, tbs: bytes, signature }: Certificate, key: KeyObject): boolean =>
  isSignedBy(key, { algorithm, bytes, signature })

/** Null when the root has signed it and is named as its issuer; else the most telling reason. */
const checkIssuer = (
  leaf: Certificate,
  ownKey: KeyObject | Refusal,
  understood: Understood | Refusal,
  root: Root,
): Refusal | null => {
  const isSigned = signed(leaf, root.publicKey)
  const hasRootKey = equal(leaf.spki, root.certificate.spki)
  if ((hasRootKey || !isSigned) && !isRefusal(ownKey) && signed(leaf, ownKey)) return refuse('certificate-self-signed')
  if (!equal(leaf.issuer, root.certificate.subject)) {
    const issuer = readCommonName(leaf.issuer)
    return refuse('certificate-wrong-root', issuer === null ? undefined : `issued by ${JSON.stringify(issuer)}`)
  }
  // RFC 5280 §4.2.1.1: every certificate but a root names its issuer's key.
  const keyId = isRefusal(understood) ? undefined : understood.authorityKeyId
  if (!isRefusal(understood) && (keyId === undefined || !equal(keyId, root.keyId))) {
    return refuse('certificate-wrong-root', OTHER_KEY)
  }
  if (!isSigned) return refuse('certificate-bad-signature')
  // A name and key identifier that are both its issuer's make it a root in OpenSSL's eyes.
  const namedAsRoot = equal(leaf.subject, leaf.issuer) && !isRefusal(understood)
  const ownKeyId = namedAsRoot ? (understood.subjectKeyId ?? root.keyId) : undefined
  return ownKeyId !== undefined && equal(ownKeyId, root.keyId) ? refuse('certificate-self-signed') : null
}

/** What RFC 5280 asks of any certificate, whatever it is for. */
const checkForm = ({ subject }: Certificate, understood: Understood): Refusal | null => {
  const { constraints, keyUsage = 0, subjectKeyId, alternativeNames } = understood
  const wrong = (what: string): Refusal => refuse('certificate-wrong-extension', what)
  const ca = constraints?.ca === true
  const signsCertificates = (keyUsage & KEY_USAGE.keyCertSign) !== 0
  // §4.1.2.4, §4.1.2.6: who issues has a name, so that no issuer is nameless; who has none has another one, and critical.
  if (isEmptyName(subject)) {
    if (ca || (keyUsage & KEY_USAGE.cRLSign) !== 0) return refuse('certificate-malformed', 'an issuer has no name')
    if (alternativeNames?.critical !== true) return wrong('no name, and no critical alternative name')
  }
  // §4.2.1.9, §4.2.1.3: a CA says that it is one in both places, and nobody else does.
  if (ca && constraints?.critical !== true)
    return refuse('certificate-wrong-usage', 'a CA whose constraints are not critical')
  if (ca && understood.keyUsage === undefined) return refuse('certificate-wrong-usage', 'a CA without key usage')
  if (!ca && signsCertificates) return refuse('certificate-wrong-usage', 'signs certificates, and is no CA')
  if (constraints?.pathLength === true && !signsCertificates) {
    return refuse('certificate-wrong-usage', 'a path length, and it signs no certificates')
  }
  // §4.2.1.2
  return ca && subjectKeyId === undefined ? wrong(NO_KEY_ID) : null
}

const checkIsAuthority = ({ constraints, keyUsage = 0 }: Understood): Refusal | null => {
  if (constraints?.ca !== true) return refuse('certificate-wrong-usage', 'not a CA')
  return (keyUsage & KEY_USAGE.keyCertSign) === 0 ? refuse('certificate-wrong-usage', 'signs no certificates') : null
}

/** A root may be for some purposes only, too, as OpenSSL and everybody else reads RFC 5280 §4.2.1.12. */
const checkPurpose = ({ purposes }: Understood, usage: Usage): Refusal | null =>
  usage === 'any' || purposes === undefined || purposes.includes(PURPOSES[usage])
    ? null
    : refuse('certificate-wrong-usage', `not for ${usage}`)

const PURPOSES = { clientAuth: '1.3.6.1.5.5.7.3.2', serverAuth: '1.3.6.1.5.5.7.3.1' } as const

// RFC 5280 §4.2.1.12 names the key usages that go with each purpose.
const KEY_USAGES = {
  clientAuth: KEY_USAGE.digitalSignature | KEY_USAGE.keyAgreement,
  serverAuth: KEY_USAGE.digitalSignature | KEY_USAGE.keyEncipherment | KEY_USAGE.keyAgreement,
} as const

const checkLeafUsage = ({ constraints, keyUsage }: Understood, usage: Usage): Refusal | null => {
  if (usage === 'any') return null
  if (constraints?.ca === true) return refuse('certificate-wrong-usage', 'a CA')
  return keyUsage === undefined || (keyUsage & KEY_USAGES[usage]) !== 0
    ? null
    : refuse('certificate-wrong-usage', `its key usage is not for ${usage}`)
}

/** RFC 5280 §4.1.2.5: both ends belong to the validity. */
const checkTimes = (
  { notBefore, notAfter }: Certificate,
  { at, skewMs = 0, expiry = 'counts' }: Rules,
): Refusal | null => {
  if (at < notBefore - skewMs) return refuse('certificate-not-yet-valid', `valid from ${dateText(notBefore)}`)
  if (expiry === 'counts' && at > notAfter + skewMs) {
    return refuse('certificate-expired', `expired on ${dateText(notAfter)}`)
  }
  return null
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** As in `3 May 2026 10:00 UTC`. */
export const dateText = (ms: number): string => {
  const date = new Date(ms)
  const [, clock] = /T(\d\d:\d\d)/.exec(date.toISOString()) ?? []
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()} ${clock} UTC`
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
