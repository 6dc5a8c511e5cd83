import { rootsOf, trustLineage } from '../../shared/certificate/lineage.ts'
import type { RevocationEntry } from '../../shared/certificate/revocation-entry.ts'
import { checkFresh, type RevocationList, readRevocationList } from '../../shared/certificate/revocation-list.ts'
import { type TrustAnchor, type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { CertificateHash, PeerId, UserName } from '../../shared/ids.ts'
import { certificateHashOf, sha256 } from '../../shared/ids.ts'
import { CLOCK_SKEW_MS } from '../../shared/limits.ts'
import type { TranscriptItem } from '../../shared/wire/transcript.ts'
import { isDisowned, outSince } from '../network/revocations.ts'

type Roots = Extract<TranscriptItem, { kind: 'roots' }>

/** Whose signature counts, and until when: what a transcript brings of certificates and lists, held against one root. */
export type Trust = {
  /** A list, DER, in the order of the file; or why it is none. */
  addList(der: Uint8Array): Refusal | null
  /** A device's certificate; or why it is none. */
  addCertificate(der: Uint8Array): Refusal | null
  /** The author behind a certificate hash. */
  get(hash: CertificateHash): VerifiedDevice | null
  all(): readonly VerifiedDevice[]
  userOf(device: PeerId): UserName | null
  /** From when on a device counts for nothing, milliseconds since the epoch; null: it is not revoked. */
  revokedSince(device: PeerId): number | null
  isDisowned(device: PeerId): boolean
  /** When this very certificate was revoked, milliseconds since the epoch. */
  revokedAt(certificate: VerifiedDevice): number | null
  /** Number of the first list, which the exporting device held; 0 for none. */
  heldList(): number
  /** The newest list, and whether it was over its time then. */
  newestList(at: number): { readonly list: RevocationList; readonly stale: boolean } | null
}

/**
 * The anchor that the file's roots make, if one of them is the root that the reader trusts: `transcript-wrong-root`, or what
 * is wrong with one of them.
 * @param rootSpki of the trusted root, SubjectPublicKeyInfo, DER
 * @param at when the transcript was made: of a root that has ended since, what it signed in its time stays signed
 */
export const anchorOf = ({ first, successions }: Roots, rootSpki: Uint8Array, at: number): TrustAnchor | Refusal => {
  const anchor = trustLineage({ first, successions }, sha256(rootSpki), at)
  return isRefusal(anchor) && anchor.code === 'pin-mismatch' ? refuse('transcript-wrong-root') : anchor
}

/** @param later lists that the reader has besides, DER: they may know of more */
export const createTrust = (anchor: TrustAnchor, later: readonly RevocationList[], at: number): Trust => {
  const lists: RevocationList[] = []
  const devices = new Map<CertificateHash, VerifiedDevice>()
  const newest = new Map<PeerId, VerifiedDevice>()
  const find = (serial: string): RevocationEntry | undefined => {
    for (const list of [...later, ...lists]) {
      const entry = list.find(serial)
      if (entry !== undefined) return entry
    }
    return undefined
  }
  const newestEntry = (device: PeerId): RevocationEntry | undefined => {
    const certificate = newest.get(device)
    return certificate === undefined ? undefined : find(certificate.serial)
  }
  return {
    addList: (der) => {
      const list = listUnder(der, anchor)
      if (isRefusal(list)) return list
      lists.push(list)
      return null
    },
    addCertificate: (der) => {
      const device = verifyDevice(der, { anchor, now: at, at: 'any-time' })
      if (isRefusal(device)) return device
      if (devices.has(device.hash)) return refuse('transcript-order', 'a certificate twice')
      devices.set(certificateHashOf(der), device)
      const known = newest.get(device.peerId)
      if (known === undefined || known.notAfter < device.notAfter) newest.set(device.peerId, device)
      return null
    },
    get: (hash) => devices.get(hash) ?? null,
    all: () => [...devices.values()],
    userOf: (device) => newest.get(device)?.user ?? null,
    revokedSince: (device) => outSince(newestEntry(device), newest.get(device)?.certificate ?? NOTHING, anchor),
    isDisowned: (device) => isDisowned(newestEntry(device)),
    revokedAt: ({ serial, certificate }) => outSince(find(serial), certificate, anchor),
    heldList: () => lists[0]?.number ?? 0,
    newestList: (then) => {
      const [list] = [...lists, ...later].toSorted((a, b) => b.number - a.number)
      return list === undefined ? null : { list, stale: checkFresh(list, then, CLOCK_SKEW_MS) !== null }
    },
  }
}

const NOTHING = new Uint8Array()

/** The list, if any root of the network has signed it. */
export const listUnder = (der: Uint8Array, anchor: TrustAnchor): RevocationList | Refusal => {
  let read: RevocationList | Refusal = refuse('crl-wrong-issuer')
  for (const root of rootsOf(anchor)) {
    read = readRevocationList(der, root)
    if (!isRefusal(read)) return read
  }
  return read
}
