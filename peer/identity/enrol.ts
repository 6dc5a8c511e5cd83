import type { KeyObject } from 'node:crypto'
import type { Succession } from '../../shared/certificate/lineage.ts'
import { openSealed } from '../../shared/certificate/oaep.ts'
import { createRequest } from '../../shared/certificate/request.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { signSuccession } from '../../shared/certificate/succession.ts'
import { type TrustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { sha256, type UserName } from '../../shared/ids.ts'
import type { Invite } from '../../shared/invite.ts'
import { ENROLMENT_WAIT_MS, REPLY_TIMEOUT_MS } from '../../shared/limits.ts'
import type { Node } from '../../shared/network/node.ts'
import { CHALLENGE_LABEL, challengeCodec, multihashOf } from '../../shared/wire/challenge.ts'
import type { DirectoryEntry, Door } from '../../shared/wire/enrolment.ts'
import { type CaContact, type CaLine, callCa } from './ca-line.ts'

export type EnrolParts = {
  /** A node whose key is `key`: the CA compares. */
  readonly node: Pick<Node, 'peerId' | 'dial' | 'open'>
  /** Where the CA is, and which root it must show. */
  readonly invite: CaContact & Partial<Pick<Invite, 'token'>>
  /** How to come in; without it, by the invite's token. */
  readonly door?: EnrolDoor
  readonly user: UserName
  /** Empty where the door asks for none. */
  readonly password: string
  /** The device's RSA private key. */
  readonly key: KeyObject
  readonly clock: Clock
  /** Multiaddrs that the device will listen on: the CA tells them to those who join later. */
  readonly addresses?: readonly string[]
  readonly signal?: AbortSignal
  /** Leave the connection to the CA open, for what else goes over it. */
  readonly keepConnection?: boolean
  /** Done before the answer to the challenge is sent: after that the CA may have written the device down, whatever befalls us. */
  readonly beforeAnswer?: () => Promise<void>
}

/** A door as its caller knows it. Certificates are DER. */
export type EnrolDoor =
  | Exclude<Door, { readonly kind: 'rekey' }>
  /** `key` is the new key, `oldKey` the private one of the certificate. */
  | { readonly kind: 'rekey'; readonly certificate: Uint8Array; readonly oldKey: KeyObject }

/** All in DER. */
export type Enrolled = {
  readonly certificate: Uint8Array
  /** The first root, how the later ones followed, and the newest, checked. */
  readonly root: Uint8Array
  readonly successions: readonly Succession[]
  readonly anchor: TrustAnchor
  readonly caCertificate: Uint8Array
  /** The revocation list as the CA has it: check it before use. Null when there is none, or it is too long to come along. */
  readonly crl: Uint8Array | null
  /** Other devices, as the CA told of them: verify each certificate before use. */
  readonly directory: readonly DirectoryEntry[]
}

/** The newcomer's side of enrolment. Nothing secret leaves before the CA has proven itself. */
export const enrol = ({ invite, ...parts }: EnrolParts): Promise<Enrolled | Refusal> =>
  callCa({ ...parts, ca: invite }, (line) => converse({ ...parts, invite }, line))

const converse = async (parts: EnrolParts, line: CaLine): Promise<Enrolled | Refusal> => {
  const csr = createRequest(parts)
  const { user, password, addresses = [] } = parts
  const door = doorFor(parts, csr, line.anchor)
  if (isRefusal(door)) return door
  await line.send({ kind: 'request', csr, user, password, door, addresses })
  const challenge = await line.hear('challenge', ENROLMENT_WAIT_MS)
  if (isRefusal(challenge)) return challenge
  const nonce = openChallenge(parts, csr, challenge.ciphertext)
  if (isRefusal(nonce)) return nonce

  await parts.beforeAnswer?.()
  await line.send({ kind: 'answer', id: challenge.id, nonce })
  const issued = await line.hear('issued', REPLY_TIMEOUT_MS)
  if (isRefusal(issued)) return issued
  const { certificate, crl, directory } = issued
  const refused = checkIssued(parts, line.anchor, certificate)
  if (refused !== null) return refused
  const { anchor, root, successions, ca } = line
  return { certificate, anchor, root, successions, caCertificate: ca, crl, directory }
}

const doorFor = ({ door, invite }: EnrolParts, csr: Uint8Array, anchor: TrustAnchor): Door | Refusal => {
  if (door === undefined) {
    return invite.token === undefined ? refuse('input-missing', 'an invite') : { kind: 'token', token: invite.token }
  }
  if (door.kind !== 'rekey') return door
  const { certificate, oldKey } = door
  return { kind: 'rekey', certificate, proof: signSuccession(oldKey, csr, anchor.network) }
}

/** The challenge's nonce, if the challenge is for this very request between these two: else we would decrypt for others. */
const openChallenge = (
  { key, node, invite }: EnrolParts,
  csr: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | Refusal => {
  const plain = openSealed(key, sealed, CHALLENGE_LABEL)
  const context = plain === null ? null : challengeCodec.decode(plain)
  if (context === null || isRefusal(context)) return refuse('challenge-foreign')
  const ours =
    equal(context.csr, sha256(csr)) &&
    equal(context.newcomer, multihashOf(node.peerId)) &&
    equal(context.ca, multihashOf(invite.caPeerId))
  return ours ? context.nonce : refuse('challenge-foreign')
}

const checkIssued = (
  { key, user, clock }: EnrolParts,
  anchor: TrustAnchor,
  certificate: Uint8Array,
): Refusal | null => {
  const device = verifyDevice(certificate, { anchor, now: clock.now(), remoteSpki: spkiOf(key) })
  if (isRefusal(device)) return device
  return device.user === user ? null : refuse('certificate-wrong-profile', `it is for ${device.user}`)
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
