import { readCertificate } from '../../shared/certificate/certificate.ts'
import { type Succession, trustLineage } from '../../shared/certificate/lineage.ts'
import { type TrustAnchor, verifyCa } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, orThrow, type Refusal, refusalOf, refuse, refusedThere } from '../../shared/errors.ts'
import { networkIdOfPin, sha256 } from '../../shared/ids.ts'
import type { Invite } from '../../shared/invite.ts'
import { ENROLMENT_MAX_BYTES, REPLY_TIMEOUT_MS } from '../../shared/limits.ts'
import { type Channel, openChannel } from '../../shared/network/channel.ts'
import type { Connection, Node } from '../../shared/network/node.ts'
import {
  type CaMessage,
  caCodec,
  enrolmentProtocol,
  type NewcomerMessage,
  newcomerCodec,
} from '../../shared/wire/enrolment.ts'
import type { Draft } from './identity-files.ts'

/** What of a CA a device keeps: where it was, and which root it must show, or one that leads from there. */
export type CaContact = Pick<Invite, 'pin' | 'caPeerId' | 'addresses'>

/** The CA of an identity: it must show the newest root that is known here, or one that leads from there. */
export const contactOf = ({
  profile,
  root,
  successions,
}: Pick<Draft, 'profile' | 'root' | 'successions'>): CaContact => {
  const { spki } = orThrow(readCertificate(successions.at(-1)?.root ?? root))
  return { pin: sha256(spki), caPeerId: profile.caPeerId, addresses: profile.caAddresses }
}

export type CaLineParts = {
  readonly node: Pick<Node, 'dial' | 'open'>
  readonly ca: CaContact
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** Leave the connection to the CA open, for what else goes over it. */
  readonly keepConnection?: boolean | undefined
}

/** A conversation with a CA that has shown the pinned root, and proven to be its CA. */
export type CaLine = {
  /** The newest root, checked, and all certificates as they came, DER: `root` is the first one. */
  readonly anchor: TrustAnchor
  readonly root: Uint8Array
  readonly successions: readonly Succession[]
  readonly ca: Uint8Array
  send(message: NewcomerMessage): Promise<void>
  /** The CA's next message, which must be of this kind. */
  hear<Kind extends CaMessage['kind']>(
    kind: Kind,
    timeoutMs: number,
  ): Promise<Extract<CaMessage, { kind: Kind }> | Refusal>
}

/**
 * Calls the CA, and talks once it has proven itself: nothing secret can leave before. The connection is closed at the end,
 * unless it is to be kept.
 */
export const callCa = async <T>(
  parts: CaLineParts,
  talk: (line: CaLine) => Promise<T | Refusal>,
): Promise<T | Refusal> => {
  const connection = await connect(parts)
  if (isRefusal(connection)) return connection
  try {
    const channel = await openLine(parts, connection)
    const line = await prove(parts, connection, channel)
    const outcome = isRefusal(line) ? line : await talk(line)
    // So that the operator sees why, too. When the CA is gone already, it knows.
    if (isRefusal(outcome) && outcome.by === 'here') {
      await channel.send({ kind: 'refused', code: outcome.code }).catch(() => undefined)
    }
    await channel.close()
    return outcome
  } catch (error) {
    return speaksAnotherProtocol(error) ? refuse('ca-unproven', 'it does not enrol for this network') : refusalOf(error)
  } finally {
    if (parts.keepConnection !== true) await connection.close().catch(() => undefined)
  }
}

type Line = Channel<CaMessage, NewcomerMessage>

const prove = async (parts: CaLineParts, connection: Connection, line: Line): Promise<CaLine | Refusal> => {
  await line.send({ kind: 'begin' })
  const identity = await hear(line, 'identity', REPLY_TIMEOUT_MS)
  if (isRefusal(identity)) return identity
  const anchor = proveCa(parts, connection, identity)
  if (isRefusal(anchor)) return anchor
  return {
    anchor,
    root: identity.root,
    successions: identity.successions,
    ca: identity.ca,
    send: (message) => line.send(message),
    hear: (kind, timeoutMs) => hear(line, kind, timeoutMs),
  }
}

/** The roots lead from the pinned one to the newest, and its CA certificate names the Noise peer. */
const proveCa = (
  { ca: { pin }, clock }: CaLineParts,
  connection: Connection,
  identity: { readonly root: Uint8Array; readonly successions: readonly Succession[]; readonly ca: Uint8Array },
): TrustAnchor | Refusal => {
  const now = clock.now()
  const anchor = trustLineage({ first: identity.root, successions: identity.successions }, pin, now)
  if (isRefusal(anchor)) return anchor
  const ca = verifyCa(identity.ca, {
    anchor,
    now,
    remoteSpki: connection.remotePeer.publicKey?.raw ?? new Uint8Array(),
  })
  return isRefusal(ca) ? refuse('ca-unproven', ca.detail === undefined ? ca.code : `${ca.code}: ${ca.detail}`) : anchor
}

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

const connect = async ({ node, ca, signal }: CaLineParts): Promise<Connection | Refusal> => {
  try {
    const addresses = ca.addresses.map((address) => `${address}/p2p/${ca.caPeerId}`)
    return await node.dial(addresses, signal === undefined ? {} : { signal })
  } catch (error) {
    const refusal = refusalOf(error)
    return refusal.code === 'wrong-peer' ? refuse('ca-unproven', 'another peer is at its address') : refusal
  }
}

const openLine = async ({ node, ca, signal }: CaLineParts, connection: Connection): Promise<Line> => {
  const aborting = signal === undefined ? {} : { signal }
  const stream = await node.open(connection, enrolmentProtocol(networkIdOfPin(ca.pin)), aborting)
  const words = { incoming: caCodec, outgoing: newcomerCodec }
  return openChannel(stream, words, { maxFrameBytes: ENROLMENT_MAX_BYTES, ...aborting })
}

/** Whether libp2p's error of that name is behind this one. */
const speaksAnotherProtocol = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'UnsupportedProtocolError' || speaksAnotherProtocol(error.cause))
