import type { KeyObject } from 'node:crypto'
import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refusalOf } from '../../shared/errors.ts'
import { RENEWAL_CHECK_MS } from '../../shared/limits.ts'
import type { Node } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import type { CaContact } from './ca-line.ts'
import { enrol } from './enrol.ts'

/**
 * When a certificate is to be renewed: from half of its life on, and up to a twentieth of it later, so that a whole office
 * does not come at once. @param jitter from 0 to 1, the same for the life of the certificate
 */
export const renewalDueAt = (certificate: { notBefore: number; notAfter: number }, jitter: number): number => {
  const life = certificate.notAfter - certificate.notBefore
  return certificate.notBefore + life / 2 + (life / 20) * jitter
}

export type RenewalParts = {
  readonly node: Pick<Node, 'peerId' | 'dial' | 'open' | 'addresses'>
  readonly ca: CaContact
  readonly key: KeyObject
  readonly self: () => VerifiedDevice
  readonly clock: Clock
  readonly random: Random
  readonly onRenewed: (certificate: Uint8Array) => Promise<void>
  readonly onRefused: (refusal: Refusal) => void
}

export type Renewal = {
  /** Renews if it is time: called at each sighting of the CA. Never rejects; what went wrong is told. */
  renewIfDue(): Promise<void>
  stop(): void
}

/** Renews our certificate with our present key, at each sighting of the CA and hourly, by the wall clock. */
export const startRenewal = (parts: RenewalParts): Renewal => {
  let jitter = { hash: '', share: 0 }
  let running = false
  const isDue = (): boolean => {
    const self = parts.self()
    if (jitter.hash !== self.hash) jitter = { hash: self.hash, share: (parts.random.bytes(1)[0] ?? 0) / 256 }
    return parts.clock.now() >= renewalDueAt(self, jitter.share)
  }
  const renew = async (): Promise<void> => {
    if (running || !isDue()) return
    running = true
    try {
      const outcome = await renewOnce(parts, parts.self().certificate)
      if (!isRefusal(outcome)) await parts.onRenewed(outcome)
      // That nobody is there is no news: the CA may be off for days.
      else if (outcome.code !== 'unreachable') parts.onRefused(outcome)
    } catch (error) {
      parts.onRefused(refusalOf(error))
    } finally {
      running = false
    }
  }
  const timer = setInterval(() => void renew(), RENEWAL_CHECK_MS)
  return { renewIfDue: renew, stop: () => clearInterval(timer) }
}

/** A new certificate for the same key, DER, or why there is none. */
export const renewOnce = async (
  {
    node,
    ca,
    key,
    self,
    clock,
  }: Pick<RenewalParts, 'node' | 'ca' | 'key' | 'clock'> & {
    readonly self: () => Pick<VerifiedDevice, 'user'>
  },
  certificate: Uint8Array,
): Promise<Uint8Array | Refusal> => {
  const outcome = await enrol({
    node,
    invite: ca,
    door: { kind: 'renew', certificate },
    user: self().user,
    password: '',
    key,
    clock,
    addresses: node.addresses(),
    keepConnection: true,
  })
  return isRefusal(outcome) ? outcome : outcome.certificate
}
