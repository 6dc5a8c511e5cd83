import type { KeyObject } from 'node:crypto'
import { dateText } from '../../shared/certificate/link.ts'
import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { type Code, isRefusal, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import {
  CERTIFICATE_BACKDATE_MS,
  RENEWAL_CHECK_MS,
  RENEWAL_RETRY_MS,
  RENEWAL_RETRY_SHARE,
} from '../../shared/limits.ts'
import { createNode, type Node } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import { byTheClock } from '../by-the-clock.ts'
import { type CaContact, contactOf } from './ca-line.ts'
import { type Enrolled, enrol } from './enrol.ts'
import type { Keystore } from './identity-files.ts'

/**
 * When a certificate is to be renewed: from half of its life on, and up to a twentieth of it later, so that a whole office
 * does not come at once. Its life begins when it was issued: with one of an hour, the hour that it was backdated would be
 * the half. @param jitter from 0 to 1, the same for the life of the certificate
 */
export const renewalDueAt = (certificate: Validity, jitter: number): number =>
  certificate.notAfter - lifeOf(certificate) / 2 + (lifeOf(certificate) / 20) * jitter

type Validity = { readonly notBefore: number; readonly notAfter: number }

const lifeOf = ({ notBefore, notAfter }: Validity): number =>
  Math.max(0, notAfter - notBefore - CERTIFICATE_BACKDATE_MS)

export type RenewalParts = {
  readonly node: Pick<Node, 'peerId' | 'dial' | 'open' | 'addresses'>
  /** Where the CA is, and which root it must show, or one that leads from there. */
  readonly ca: () => CaContact
  readonly key: KeyObject
  readonly self: () => VerifiedDevice
  readonly clock: Clock
  readonly random: Random
  /** Whether a newer root has followed the one of our certificate: then it is renewed without waiting for its half. */
  readonly outdated: () => boolean
  readonly onRenewed: (renewed: Renewed) => Promise<void>
  readonly onRefused: (refusal: Refusal) => void
}

export type Renewal = {
  /** Renews if it is time: called at each sighting of the CA. Never rejects; what went wrong is told. */
  renewIfDue(): Promise<void>
  /** Renews now, due or not. Null, or why not. */
  renew(): Promise<Refusal | null>
  stop(): void
}

/** Renews our certificate with our present key, at each sighting of the CA and every minute, by the wall clock. */
export const startRenewal = (parts: RenewalParts): Renewal => {
  let jitter = { hash: '', share: 0 }
  let running: Promise<Refusal | null> | null = null
  let barredUntil = 0
  let toldExpired = ''
  const isDue = (): boolean => {
    const self = parts.self()
    if (jitter.hash !== self.hash) jitter = { hash: self.hash, share: (parts.random.bytes(1)[0] ?? 0) / 256 }
    return parts.clock.now() >= renewalDueAt(self, jitter.share) || parts.outdated()
  }
  const attempt = async (): Promise<Refusal | null> => {
    try {
      const outcome = await renewOnce({ ...parts, ca: parts.ca() }, parts.self().certificate)
      if (isRefusal(outcome)) return outcome
      await parts.onRenewed(outcome)
      return null
    } catch (error) {
      return refusalOf(error)
    }
  }
  const renew = (): Promise<Refusal | null> => {
    running ??= attempt().finally(() => {
      running = null
    })
    return running
  }
  const renewIfDue = async (): Promise<void> => {
    const now = parts.clock.now()
    if (running !== null || !isDue() || now < barredUntil) return
    const refusal = await renew()
    if (refusal === null) return
    if (refusal.by === 'here' && AWAY.has(refusal.code)) {
      tellExpired(now)
      return
    }
    // Who asks again and again is kept out for longer.
    barredUntil = now + Math.min(RENEWAL_RETRY_MS, lifeOf(parts.self()) / RENEWAL_RETRY_SHARE)
    parts.onRefused(refusal)
  }
  /** That the CA is away is no news: it may be off for days. That we can do without it no longer is. */
  const tellExpired = (now: number): void => {
    const { hash, notAfter } = parts.self()
    if (now <= notAfter || toldExpired === hash) return
    toldExpired = hash
    parts.onRefused(refuse('certificate-expired', `expired on ${dateText(notAfter)}; the CA is not reached`))
  }
  const stop = byTheClock({ clock: parts.clock, waitMs: () => RENEWAL_CHECK_MS, job: () => void renewIfDue() })
  return { renewIfDue, renew, stop }
}

/** How it ends when nobody is there, or a connection that slept has died. */
const AWAY: ReadonlySet<Code> = new Set(['unreachable', 'stream-closed', 'too-late'])

/** A new certificate, and the roots that lead to the one that issued it. */
export type Renewed = Pick<Enrolled, 'certificate' | 'successions' | 'anchor'>

/**
 * A new certificate for the same key, DER, or why there is none.
 * @param password past 30 days after the end of the present one
 */
const renewOnce = async (
  {
    node,
    ca,
    key,
    self,
    clock,
  }: Pick<RenewalParts, 'node' | 'key' | 'clock'> & {
    readonly ca: CaContact
    readonly self: () => Pick<VerifiedDevice, 'user'>
  },
  certificate: Uint8Array,
  password = '',
): Promise<Renewed | Refusal> =>
  enrol({
    node,
    invite: ca,
    door: { kind: 'renew', certificate },
    user: self().user,
    password,
    key,
    clock,
    addresses: node.addresses(),
    keepConnection: true,
  })

/** As `renewOnce`, for a home whose device does not run. */
export const renewFromHome = async (keystore: Keystore, clock: Clock, password = ''): Promise<Renewed | Refusal> => {
  const { key, certificate, profile } = keystore
  const node = await createNode({ key, listen: [] })
  try {
    return await renewOnce({ node, ca: contactOf(keystore), key, self: () => profile, clock }, certificate, password)
  } finally {
    await node.stop()
  }
}
