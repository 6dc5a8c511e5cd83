import type { KeyObject } from 'node:crypto'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { openSealed } from '../../shared/certificate/oaep.ts'
import { createRequest } from '../../shared/certificate/request.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { signSuccession } from '../../shared/certificate/succession.ts'
import { type TrustAnchor, trustAnchor, verifyCa, verifyDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refusalOf, refuse, refusedThere } from '../../shared/errors.ts'
import { networkIdOfPin, sha256, type UserName } from '../../shared/ids.ts'
import type { Invite } from '../../shared/invite.ts'
import { ENROLMENT_MAX_BYTES, ENROLMENT_WAIT_MS, REPLY_TIMEOUT_MS } from '../../shared/limits.ts'
import { type Channel, openChannel } from '../../shared/network/channel.ts'
import type { Connection, Node } from '../../shared/network/node.ts'
import { CHALLENGE_LABEL, challengeCodec, multihashOf } from '../../shared/wire/challenge.ts'
import {
  type CaMessage,
  caCodec,
  type DirectoryEntry,
  type Door,
  enrolmentProtocol,
  type NewcomerMessage,
  newcomerCodec,
} from '../../shared/wire/enrolment.ts'

export type EnrolParts = {
  /** A node whose key is `key`: the CA compares. */
  readonly node: Pick<Node, 'peerId' | 'dial' | 'open'>
  /** Where the CA is, and which root it must show. */
  readonly invite: Pick<Invite, 'pin' | 'caPeerId' | 'addresses'> & Partial<Pick<Invite, 'token'>>
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
}

/** A door as its caller knows it. Certificates are DER. */
export type EnrolDoor =
  | Exclude<Door, { readonly kind: 'rekey' }>
  /** `key` is the new key, `oldKey` the private one of the certificate. */
  | { readonly kind: 'rekey'; readonly certificate: Uint8Array; readonly oldKey: KeyObject }

/** All in DER. */
export type Enrolled = {
  readonly certificate: Uint8Array
  readonly root: Uint8Array
  readonly caCertificate: Uint8Array
  /** The revocation list as the CA has it: check it before use. Null when there is none, or it is too long to come along. */
  readonly crl: Uint8Array | null
  /** Other devices, as the CA told of them: verify each certificate before use. */
  readonly directory: readonly DirectoryEntry[]
}

/**
 * The newcomer's side of enrolment. The connection is closed at the end, unless it is to be kept. Nothing secret leaves before
 * the CA has shown the pinned root and proven to be its CA.
 */
export const enrol = async (parts: EnrolParts): Promise<Enrolled | Refusal> => {
  const connection = await connect(parts)
  if (isRefusal(connection)) return connection
  try {
    const line = await openLine(parts, connection)
    const outcome = await converse(parts, connection, line)
    // So that the operator sees why, too. When the CA is gone already, it knows.
    if (isRefusal(outcome) && outcome.by === 'here') {
      await line.send({ kind: 'refused', code: outcome.code }).catch(() => undefined)
    }
    await line.close()
    return outcome
  } catch (error) {
    return speaksAnotherProtocol(error) ? refuse('ca-unproven', 'it does not enrol for this network') : refusalOf(error)
  } finally {
    if (parts.keepConnection !== true) await connection.close().catch(() => undefined)
  }
}

type Line = Channel<CaMessage, NewcomerMessage>

const converse = async (parts: EnrolParts, connection: Connection, line: Line): Promise<Enrolled | Refusal> => {
  await line.send({ kind: 'begin' })
  const identity = await hear(line, 'identity', REPLY_TIMEOUT_MS)
  if (isRefusal(identity)) return identity
  const anchor = proveCa(parts, connection, identity)
  if (isRefusal(anchor)) return anchor

  const csr = createRequest(parts)
  const { user, password, addresses = [] } = parts
  const door = doorFor(parts, csr, anchor)
  if (isRefusal(door)) return door
  await line.send({ kind: 'request', csr, user, password, door, addresses })
  const challenge = await hear(line, 'challenge', ENROLMENT_WAIT_MS)
  if (isRefusal(challenge)) return challenge
  const nonce = openChallenge(parts, csr, challenge.ciphertext)
  if (isRefusal(nonce)) return nonce

  await line.send({ kind: 'answer', id: challenge.id, nonce })
  const issued = await hear(line, 'issued', REPLY_TIMEOUT_MS)
  if (isRefusal(issued)) return issued
  const { certificate, crl, directory } = issued
  const refused = checkIssued(parts, anchor, certificate)
  return refused ?? { certificate, root: identity.root, caCertificate: identity.ca, crl, directory }
}

const doorFor = ({ door, invite }: EnrolParts, csr: Uint8Array, anchor: TrustAnchor): Door | Refusal => {
  if (door === undefined) {
    return invite.token === undefined ? refuse('input-missing', 'an invite') : { kind: 'token', token: invite.token }
  }
  if (door.kind !== 'rekey') return door
  const { certificate, oldKey } = door
  return { kind: 'rekey', certificate, proof: signSuccession(oldKey, csr, anchor.network) }
}

/** The root is the pinned one, and its CA certificate names the Noise peer. */
const proveCa = (
  { invite, clock }: EnrolParts,
  connection: Connection,
  identity: { readonly root: Uint8Array; readonly ca: Uint8Array },
): TrustAnchor | Refusal => {
  const root = readCertificate(identity.root)
  if (isRefusal(root) || !equal(sha256(root.spki), invite.pin)) return refuse('pin-mismatch')
  const now = clock.now()
  const anchor = trustAnchor(identity.root, now)
  if (isRefusal(anchor)) return anchor
  const ca = verifyCa(identity.ca, {
    anchor,
    now,
    remoteSpki: connection.remotePeer.publicKey?.raw ?? new Uint8Array(),
  })
  return isRefusal(ca) ? refuse('ca-unproven', ca.detail === undefined ? ca.code : `${ca.code}: ${ca.detail}`) : anchor
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

/** The CA's next message, which must be of this kind. */
const hear = async <Kind extends CaMessage['kind']>(
  line: Line,
  kind: Kind,
  timeoutMs: number,
): Promise<Extract<CaMessage, { kind: Kind }> | Refusal> => {
  const message = await line.receive(timeoutMs)
  if (isRefusal(message)) return message
  if (isKind(message, kind)) return message
  return message.kind === 'refused' ? refusedThere(message.code) : refuse('wrong-order', `${message.kind}, not ${kind}`)
}

const isKind = <Kind extends CaMessage['kind']>(
  message: CaMessage,
  kind: Kind,
): message is Extract<CaMessage, { kind: Kind }> => message.kind === kind

const connect = async ({ node, invite, signal }: EnrolParts): Promise<Connection | Refusal> => {
  try {
    const addresses = invite.addresses.map((address) => `${address}/p2p/${invite.caPeerId}`)
    return await node.dial(addresses, signal === undefined ? {} : { signal })
  } catch (error) {
    const refusal = refusalOf(error)
    return refusal.code === 'wrong-peer' ? refuse('ca-unproven', 'another peer is at its address') : refusal
  }
}

const openLine = async ({ node, invite, signal }: EnrolParts, connection: Connection): Promise<Line> => {
  const aborting = signal === undefined ? {} : { signal }
  const stream = await node.open(connection, enrolmentProtocol(networkIdOfPin(invite.pin)), aborting)
  const words = { incoming: caCodec, outgoing: newcomerCodec }
  return openChannel(stream, words, { maxFrameBytes: ENROLMENT_MAX_BYTES, ...aborting })
}

/** Whether libp2p's error of that name is behind this one. */
const speaksAnotherProtocol = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'UnsupportedProtocolError' || speaksAnotherProtocol(error.cause))

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
