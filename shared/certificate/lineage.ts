import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { sha256 } from '../ids.ts'
import { CLOCK_SKEW_MS } from '../limits.ts'
import { type Certificate, readCertificate } from './certificate.ts'
import { compareExtensions, compareKind, equal } from './compare.ts'
import { OID } from './extensions.ts'
import { type Path, type Root, type Rules, verifyLink } from './link.ts'
import { allFromPem, toPem } from './pem.ts'
import { authorityKeyIdentifier, crossExtensions, rootUri } from './profile.ts'
import { type Elder, type TrustAnchor, trustAnchor } from './verify.ts'

// How one root of a network follows another: RFC 4210 §4.4. All roots bear one name, and the network's id stays that of
// the first. A new root counts when the one before it has certified its key; the one before it goes on counting for as
// long as the new one has certified it in return.

/** What makes a root follow the one before it. All DER. */
export type Succession = {
  /** The new root, signed by itself: newWithNew of RFC 4210. */
  readonly root: Uint8Array
  /** The new root's key, certified by the old one: newWithOld. */
  readonly cross: Uint8Array
  /** The old root's key, certified by the new one, for as long as both are trusted: oldWithNew. */
  readonly back: Uint8Array
}

/** All roots of a network: the first one (DER), and each that followed, in their order. */
export type Lineage = { readonly first: Uint8Array; readonly successions: readonly Succession[] }

/**
 * The anchor with the next root for its newest, if all three certificates are as they must be and in their time, or the
 * first reason against it; never throws. `root-older`, `root-forked`, `root-gap`: it is not the next one.
 * @param now milliseconds since the Unix epoch
 */
export const succeed = (anchor: TrustAnchor, succession: Succession, now: number): TrustAnchor | Refusal => {
  const next = trustAnchor(succession.root, now)
  if (isRefusal(next)) return about('the new root', next)
  const fork = checkFork(anchor, next, succession, now)
  return fork ?? checkPlace(anchor, next) ?? link(anchor, next, succession, { now, expiry: 'counts' })
}

/**
 * The anchor of a lineage that somebody tells of: one of its roots has the pin, those before it are vouched for by it, and
 * each after it by the one before.
 * @param pin SHA-256 of a root's SubjectPublicKeyInfo
 */
export const trustLineage = (lineage: Lineage, pin: Uint8Array, now: number): TrustAnchor | Refusal => {
  const roots = [lineage.first, ...lineage.successions.map(({ root }) => root)]
  const pinned = roots.findIndex((root) => hasPin(root, pin))
  return pinned < 0 ? refuse('pin-mismatch') : follow(lineage, now, pinned)
}

/** The anchor of a lineage that was trusted when it was stored: of its roots only the newest must still be in its time. */
export const openLineage = (lineage: Lineage, now: number): TrustAnchor | Refusal =>
  follow(lineage, now, lineage.successions.length)

/** Three certificates in PEM for each, in their order. */
export const writeSuccessions = (successions: readonly Succession[]): string =>
  successions
    .flatMap(({ root, cross, back }) => [root, cross, back])
    .map((der) => toPem('CERTIFICATE', der))
    .join('')

/** Null when the text is not as `writeSuccessions` writes it. */
export const readSuccessions = (text: string): readonly Succession[] | null => {
  const ders = allFromPem('CERTIFICATE', text)
  if (ders === null) return null
  const successions: Succession[] = []
  for (let at = 0; at < ders.length; at += 3) {
    const [root, cross, back] = ders.slice(at, at + 3)
    if (root === undefined || cross === undefined || back === undefined) return null
    successions.push({ root, cross, back })
  }
  return successions
}

/** @param strictFrom the place in the lineage of the root from which on every step must be good now */
const follow = ({ first, successions }: Lineage, now: number, strictFrom: number): TrustAnchor | Refusal => {
  const expiryAt = (place: number) => (place >= strictFrom ? 'counts' : 'forgiven')
  let anchor = trustAnchor(first, now, expiryAt(0))
  if (!isRefusal(anchor) && anchor.generation !== 1)
    return refuse('root-gap', 'the first of them is not the first root')
  for (const [place, succession] of successions.entries()) {
    if (isRefusal(anchor)) return anchor
    const next = trustAnchor(succession.root, now, expiryAt(place + 1))
    if (isRefusal(next)) return about('a root', next)
    const before: TrustAnchor = anchor
    anchor = checkPlace(before, next) ?? link(before, next, succession, { now, expiry: expiryAt(place) })
  }
  return anchor
}

/** All roots behind an anchor, the newest first. */
export const rootsOf = ({ root, elders }: TrustAnchor): readonly Root[] => [root, ...elders.map((elder) => elder.root)]

/** Whether the certificate names the newest root's key as its issuer's; its signature is not looked at. */
export const isFromNewest = (der: Uint8Array, { keyId }: TrustAnchor): boolean => {
  const certificate = readCertificate(der)
  const issuer = isRefusal(certificate) ? undefined : certificate.extensions.get(OID.authorityKeyIdentifier)
  return issuer !== undefined && equal(issuer.value, authorityKeyIdentifier(keyId))
}

const hasPin = (root: Uint8Array, pin: Uint8Array): boolean => {
  const certificate = readCertificate(root)
  return !isRefusal(certificate) && equal(sha256(certificate.spki), pin)
}

const checkPlace = (anchor: TrustAnchor, next: TrustAnchor): Refusal | null => {
  if (next.network !== anchor.network) return refuse('root-foreign', next.network)
  const numbers = `number ${next.generation}, and ${anchor.generation} is trusted here`
  if (next.generation > anchor.generation + 1) return refuse('root-gap', numbers)
  return next.generation > anchor.generation ? null : refuse('root-older', numbers)
}

/** Whether the root before ours has certified another one of the same number: anybody may claim that it did. */
const checkFork = (anchor: TrustAnchor, next: TrustAnchor, { cross }: Succession, now: number): Refusal | null => {
  const [elder] = anchor.elders
  const rival = next.network === anchor.network && next.generation === anchor.generation
  if (!rival || elder === undefined || equal(next.spki, anchor.spki)) return null
  const rules: Rules = { at: now, usage: 'any', skewMs: CLOCK_SKEW_MS }
  const forward = verifyCross(cross, { issuer: elder.root, subject: next, rules })
  return isRefusal(forward) ? about(BY_THE_OLD, forward) : refuse('root-forked', `number ${next.generation}`)
}

const BY_THE_OLD = 'the new root, as the old one certifies it'

type Times = { readonly now: number; readonly expiry: Rules['expiry'] & string }

/** Both certify each other. Whether `back` has ended is asked anew for every certificate of the old root. */
const link = (old: TrustAnchor, next: TrustAnchor, { cross, back }: Succession, { now, expiry }: Times) => {
  const rules: Rules = { at: now, usage: 'any', skewMs: CLOCK_SKEW_MS, expiry }
  const forward = verifyCross(cross, { issuer: old.root, subject: next, rules })
  if (isRefusal(forward)) return about(BY_THE_OLD, forward)
  const backward = verifyCross(back, { issuer: next.root, subject: old, rules: { ...rules, expiry: 'forgiven' } })
  if (isRefusal(backward)) return about('the old root, as the new one certifies it', backward)
  const until = Math.min(backward.notAfter, old.notAfter)
  const elders: readonly Elder[] = [
    { root: old.root, until, vouchers: [backward.serial] },
    ...old.elders.map((elder) => ({
      ...elder,
      until: Math.min(until, elder.until),
      vouchers: [...elder.vouchers, backward.serial],
    })),
  ]
  return { ...next, elders }
}

type CrossChecks = { readonly issuer: Root; readonly subject: TrustAnchor; readonly rules: Rules }

/** RFC 5280 §6.1 for one link, and then our profile byte by byte: it is for that root's key, name and number. */
const verifyCross = (der: Uint8Array, { issuer, subject, rules }: CrossChecks): Certificate | Refusal => {
  const certificate = readCertificate(der)
  const path = isRefusal(certificate) ? certificate : verifyLink(certificate, issuer, rules)
  return isRefusal(path) ? path : (checkCross(path, subject) ?? path.leaf)
}

const checkCross = ({ leaf, publicKey, root }: Path, subject: TrustAnchor): Refusal | null => {
  const { spki, network, generation } = subject
  if (!equal(leaf.spki, spki)) return refuse('certificate-wrong-key', "it is for another key than the root's")
  if (!equal(leaf.subject, subject.subject)) return refuse('certificate-wrong-profile', 'it has another name')
  const uri = rootUri(network, generation)
  const extensions = crossExtensions({ uri, spki, issuerKeyId: root.keyId })
  const refused = compareKind(leaf, publicKey) ?? compareExtensions(leaf, extensions)
  if (refused !== null) return refused
  const end = Math.min(root.certificate.notAfter, subject.notAfter)
  return leaf.notAfter > end ? refuse('certificate-wrong-profile', 'it outlives a root') : null
}

const about = (what: string, { code, detail }: Refusal): Refusal =>
  refuse(code, detail === undefined ? what : `${what}: ${detail}`)
