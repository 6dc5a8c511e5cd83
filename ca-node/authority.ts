import { rootsOf } from '../shared/certificate/lineage.ts'
import { createRevocationList } from '../shared/certificate/new-revocation-list.ts'
import { issueDevice } from '../shared/certificate/profile.ts'
import { isListOf } from '../shared/certificate/revocation-list.ts'
import { verifyDevice } from '../shared/certificate/verify.ts'
import { orThrow } from '../shared/errors.ts'
import type { UserName } from '../shared/ids.ts'
import { CRL_LIFETIME_MS } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'
import type { CrlSigner } from './revocations.ts'
import type { CaKeys } from './root-key.ts'

export type Issued = {
  /** The certificate. */
  readonly der: Uint8Array
  /** Lower-case hex. */
  readonly serial: string
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number
  readonly notAfter: number
  /** Number of the root that has signed it. */
  readonly root: number
}

/** The one who signs. */
export type Authority = {
  /**
   * A certificate that binds the user's name to the key; blocks for one signature of the root's key (6 ms).
   * @param spki SubjectPublicKeyInfo, DER
   * @param now milliseconds since the Unix epoch
   * @param lifetimeMs milliseconds that it is good for
   */
  issue(user: UserName, spki: Uint8Array, now: number, lifetimeMs: number): Issued
  /** The next revocation list. */
  readonly list: CrlSigner
  /** Which of the network's roots has signed this list: the one that signs here, or one that it has followed. */
  signerOf(list: Uint8Array): 'newest' | 'elder' | 'unknown'
}

export const createAuthority = ({ anchor, rootKey }: CaKeys, random: Random): Authority => {
  const issuer = { certificate: anchor.certificate, key: rootKey }
  return {
    issue: (user, spki, now, lifetimeMs) => {
      const der = issueDevice({ issuer, network: anchor.network, user, spki, now, lifetimeMs, random })
      // Through the door that every peer will hold it to: what would not pass there does not leave here.
      const { serial, notBefore, notAfter } = orThrow(verifyDevice(der, { anchor, now, remoteSpki: spki }))
      return { der, serial, notBefore, notAfter, root: anchor.generation }
    },
    list: {
      root: anchor.generation,
      sign: async ({ number, entries, now }) => {
        const nextUpdate = now + CRL_LIFETIME_MS
        const revoked = entries.map(({ serial, time, reason }) => ({ serial, date: time, reason }))
        const der = await createRevocationList({ issuer, number, thisUpdate: now, nextUpdate, entries: revoked })
        return { der, nextUpdate }
      },
    },
    signerOf: (list) => {
      const place = rootsOf(anchor).findIndex((root) => isListOf(list, root))
      return place === 0 ? 'newest' : place > 0 ? 'elder' : 'unknown'
    },
  }
}
