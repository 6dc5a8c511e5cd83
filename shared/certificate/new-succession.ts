import type { KeyObject } from 'node:crypto'
import { orThrow } from '../errors.ts'
import type { NetworkId } from '../ids.ts'
import { CERTIFICATE_BACKDATE_MS } from '../limits.ts'
import type { Random } from '../random.ts'
import { readCertificate } from './certificate.ts'
import type { Succession } from './lineage.ts'
import { createCross, createNextRoot, type Issuer } from './profile.ts'

export type SuccessionOrder = {
  /** The newest root so far, and its private key. */
  readonly old: Issuer
  readonly network: NetworkId
  /** The number of the new root: one above that of the old one. */
  readonly generation: number
  /** The new root's private key. */
  readonly key: KeyObject
  /** How long both roots are trusted, milliseconds from `now`; never longer than the old one is good for. */
  readonly overlapMs: number
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  readonly random: Random
}

/** A root that follows another (RFC 4210 §4.4.1): both keys sign, and after that the old one is needed no more. */
export const createSuccession = ({
  old,
  network,
  generation,
  key,
  overlapMs,
  now,
  random,
}: SuccessionOrder): Succession => {
  const before = orThrow(readCertificate(old.certificate))
  const root = createNextRoot({ key, subject: before.subject, network, generation, now, random })
  const { notAfter } = orThrow(readCertificate(root))
  const shared = { network, random }
  // For as long as either lasts: a device that was away for a year still finds its way from the old root to the new one.
  const crossTimes = { notBefore: now - CERTIFICATE_BACKDATE_MS, notAfter: Math.min(before.notAfter, notAfter) }
  const backTimes = { notBefore: before.notBefore, notAfter: Math.min(before.notAfter, now + overlapMs) }
  return {
    root,
    cross: createCross({ issuer: old, subject: root, generation, ...crossTimes, ...shared }),
    back: createCross({
      issuer: { certificate: root, key },
      subject: old.certificate,
      generation: generation - 1,
      ...backTimes,
      ...shared,
    }),
  }
}
