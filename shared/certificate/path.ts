import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { SECOND_MS } from '../limits.ts'
import { readCertificate } from './certificate.ts'
import { dateText, type Path, type Root, type Rules, type Usage, verifyLink, verifyRoot } from './link.ts'
import { derOf, type Encoded } from './pem.ts'
import { checkFresh, type RevocationList, readRevocationList } from './revocation-list.ts'

export type PathOrder = {
  readonly leaf: Encoded
  /** Roots that are trusted for being here. */
  readonly anchors: readonly Encoded[]
  /** When there are any, one of them must speak for the leaf's issuer at that moment. */
  readonly crls?: readonly Encoded[]
  /** Milliseconds since the Unix epoch. */
  readonly at: number
  readonly usage: Usage
}

/**
 * RFC 5280 §6 for root → leaf, whatever the names and extensions are for: the path, or the first reason against it. Never
 * throws. Takes RSA, ECDSA and Ed25519; clocks are taken at their word.
 */
export const verifyPath = ({ leaf, anchors, crls = [], usage, ...order }: PathOrder): Path | Refusal => {
  // Certificates know whole seconds, and the last one belongs to them up to its end.
  const at = Math.floor(order.at / SECOND_MS) * SECOND_MS
  const der = derOf('CERTIFICATE', leaf)
  if (der === null) return refuse('certificate-malformed', 'neither DER nor PEM of one certificate')
  const path = pathUnder(der, anchors, { at, usage })
  if (isRefusal(path) || crls.length === 0) return path
  return checkRevocation(path, crls, at) ?? path
}

/** The path under the first anchor that makes one; else why not under the anchor that is named as its issuer, or any. */
const pathUnder = (der: Uint8Array, anchors: readonly Encoded[], rules: Rules): Path | Refusal => {
  const leaf = readCertificate(der)
  if (isRefusal(leaf)) return leaf
  let reason = refuse('certificate-wrong-root', 'no root is trusted')
  for (const anchor of anchors) {
    const root = rootOf(anchor, rules)
    const path = isRefusal(root) ? root : verifyLink(leaf, root, rules)
    if (!isRefusal(path)) return path
    if (reason.code === 'certificate-wrong-root') reason = path
  }
  return reason
}

const rootOf = (anchor: Encoded, rules: Rules): Root | Refusal => {
  const der = derOf('CERTIFICATE', anchor)
  const root =
    der === null ? refuse('certificate-malformed', 'neither DER nor PEM of one certificate') : verifyRoot(der, rules)
  return isRefusal(root) ? refuse(root.code, root.detail === undefined ? 'the root' : `the root: ${root.detail}`) : root
}

/** RFC 5280 §6.3 with complete lists of the issuer itself: the newest of them counts. */
const checkRevocation = ({ leaf, root }: Path, crls: readonly Encoded[], at: number): Refusal | null => {
  let newest: RevocationList | undefined
  for (const crl of crls) {
    const der = derOf('X509 CRL', crl)
    const list =
      der === null ? refuse('crl-malformed', 'neither DER nor PEM of one list') : readRevocationList(der, root)
    if (!isRefusal(list)) newest = newest === undefined || list.number > newest.number ? list : newest
    else if (list.code !== 'crl-wrong-issuer') return list
  }
  if (newest === undefined) return refuse('crl-wrong-issuer', 'no list is from the issuer of the certificate')
  const entry = newest.find(leaf.serial)
  if (entry === undefined) return checkFresh(newest, at, 0)
  return refuse('certificate-revoked', `serial ${leaf.serial}, on ${dateText(entry.date)}, ${entry.reason}`)
}
