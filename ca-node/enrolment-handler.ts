import type { Lineage } from '../shared/certificate/lineage.ts'
import { sealTo } from '../shared/certificate/oaep.ts'
import type { TrustAnchor } from '../shared/certificate/verify.ts'
import type { Clock } from '../shared/clock.ts'
import { type Code, isRefusal, type Refusal, refusalOf, refuse } from '../shared/errors.ts'
import type { PeerId } from '../shared/ids.ts'
import { ENROLMENT_MAX_BYTES, ENROLMENT_REQUEST_MAX_BYTES, KIB } from '../shared/limits.ts'
import { type Channel, openChannel } from '../shared/network/channel.ts'
import type { Connection, Stream } from '../shared/network/node.ts'
import { peerIdOf } from '../shared/network/peer-id.ts'
import type { Random } from '../shared/random.ts'
import { CHALLENGE_LABEL, challengeCodec, multihashOf } from '../shared/wire/challenge.ts'
import {
  type CaMessage,
  caCodec,
  type EnrolmentRequest,
  type NewcomerMessage,
  newcomerCodec,
} from '../shared/wire/enrolment.ts'
import type { Attempts } from './attempts.ts'
import type { Authority } from './authority.ts'
import type { Challenges } from './challenge.ts'
import { type Answer, type Candidate, decide, GREETING, patience, type Stage } from './enrolment.ts'
import { changePassword } from './password-change.ts'
import type { Passwords } from './passwords.ts'
import { type Application, assess, type Caller } from './policy.ts'
import type { Publisher } from './publisher.ts'
import type { Registry } from './registry.ts'

/** A line for the operator's log; never a password, token or key. */
export type Log = (event: string, facts: Readonly<Record<string, unknown>>) => void

export type EnrolmentParts = {
  /** The roots of the network and the CA's own certificate, DER. */
  readonly identity: { readonly lineage: Lineage; readonly ca: Uint8Array; readonly peerId: PeerId }
  /** The root that every certificate here is held against. */
  readonly anchor: TrustAnchor
  readonly registry: Pick<
    Registry,
    'askApproval' | 'audit' | 'changePassword' | 'check' | 'directory' | 'enrol' | 'passwordHash' | 'terms'
  >
  readonly authority: Authority
  readonly publisher: Pick<Publisher, 'latest' | 'refresh'>
  readonly passwords: Passwords
  readonly challenges: Challenges
  readonly attempts: Attempts
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Milliseconds that a newcomer may say nothing. */
  readonly silenceMs: number
  /** Whether a certificate can still be handed over on this stream: not any more once the CA stops. */
  readonly mayIssue: (stream: Stream) => boolean
}

type Line = Channel<NewcomerMessage, CaMessage> & { readonly stream: Stream }

/** Leads one newcomer through enrolment, on one stream. */
export const serveEnrolment =
  (parts: EnrolmentParts) =>
  async (stream: Stream, connection: Connection): Promise<void> => {
    const words = { incoming: newcomerCodec, outgoing: caCodec }
    const limits = { maxFrameBytes: ENROLMENT_REQUEST_MAX_BYTES, maxSendBytes: ENROLMENT_MAX_BYTES }
    const line: Line = { ...openChannel(stream, words, limits), stream }
    const caller = callerOf(connection)
    let stage: Stage | Refusal | null = GREETING
    try {
      while (stage !== null && !isRefusal(stage)) stage = await turn(parts, line, caller, stage)
    } catch (error) {
      stage = refusalOf(error)
      parts.log('failed', { peer: caller.peerId, reason: stage.code, detail: stage.detail })
    }
    if (isRefusal(stage)) await line.send({ kind: 'refused', code: stage.code }).catch(() => undefined)
    await line.close()
  }

/** Hears one message and acts on it: the next stage, a refusal that ends the conversation, or null at its good end. */
const turn = async (
  parts: EnrolmentParts,
  line: Line,
  caller: Caller,
  stage: Stage,
): Promise<Stage | Refusal | null> => {
  const move = decide(stage, await line.receive(patience(stage, parts.silenceMs)))
  switch (move.kind) {
    case 'identify': {
      const { lineage, ca } = parts.identity
      await line.send({ kind: 'identity', root: lineage.first, successions: lineage.successions, ca })
      return { kind: 'identified' }
    }
    case 'consider': {
      const candidate = await consider(parts, move.request, caller)
      if (isRefusal(candidate)) return await noteRefusal(parts, caller, move.request.user, candidate)
      const challenge = issueChallenge(parts, candidate)
      if (isRefusal(challenge)) return await noteRefusal(parts, caller, candidate.user, challenge)
      await line.send(challenge)
      return { kind: 'challenged', candidate }
    }
    case 'change': {
      const refused = await changePassword(parts, move.change, caller)
      if (refused !== null) return await noteRefusal(parts, caller, move.change.user, refused)
      await line.send({ kind: 'changed' })
      return { kind: 'changed' }
    }
    case 'redeem': {
      const issued = parts.mayIssue(line.stream)
        ? await redeem(parts, move.answer, move.candidate, caller)
        : refuse('busy', 'it is being stopped')
      if (isRefusal(issued)) return await noteRefusal(parts, caller, move.candidate?.user ?? '', issued)
      await line.send(issued)
      return { kind: 'issued' }
    }
    case 'refuse':
      parts.log('refused', { peer: caller.peerId, reason: move.refusal.code, detail: move.refusal.detail })
      return move.refusal
    case 'leave':
      if (move.refusal !== null) parts.log('left', { peer: caller.peerId, reason: move.refusal.code })
      return null
  }
}

/** All that can be checked before the challenge, the cheapest first: a stranger without an invite costs us no hash. */
const consider = async (
  parts: EnrolmentParts,
  request: EnrolmentRequest,
  caller: Caller,
): Promise<Candidate | Refusal> => {
  const { attempts, anchor, clock, registry } = parts
  const barred = await attempts.begin(caller.peerId, clock.now())
  if (barred !== null) return barred
  const { keyBits } = await registry.terms()
  const application = assess(request, caller, { anchor, now: clock.now(), keyBits })
  if (isRefusal(application)) return application
  const { password, passwordUse, ...rest } = application
  switch (passwordUse) {
    case 'set': {
      const passwordHash = await considerNew(parts, application)
      return isRefusal(passwordHash) ? passwordHash : { ...rest, passwordHash }
    }
    case 'check': {
      const refused = await considerPassword(parts, application)
      return refused ?? { ...rest, passwordHash: null }
    }
    case 'none': {
      const refused = await registry.check(application, clock.now())
      return refused ?? { ...rest, passwordHash: null }
    }
  }
}

/** What is said to who brought no good invite: it counts against them all together. */
const UNINVITED: ReadonlySet<Code> = new Set([
  'token-wrong',
  'token-used',
  'token-expired',
  'invite-needed',
  'approval-pending',
])

/** The hash of a new user's password. */
const considerNew = async (
  { attempts, registry, passwords, clock }: EnrolmentParts,
  application: Application,
): Promise<string | Refusal> => {
  const { admission, user } = application
  const refused = await registry.check(application, clock.now())
  if (refused !== null) {
    const tooOften = UNINVITED.has(refused.code)
      ? await attempts.uninvited(user, clock.now())
      : refused.code === 'token-for-another' && admission.kind === 'token'
        ? await attempts.invited(admission.tokenHash, clock.now()) // who guesses for whom it is guesses slowly
        : null
    if (tooOften !== null || refused.code !== 'approval-pending') return tooOften ?? refused
    return (await registry.askApproval(application, clock.now())) ?? refused
  }
  const now = clock.now()
  const tooOften = await (admission.kind === 'token'
    ? attempts.invited(admission.tokenHash, now)
    : attempts.uninvited(user, now))
  return tooOften ?? (await passwords.hash(application.password))
}

/** The password before all else: who does not know it learns nothing, not even whether there is such a user. */
const considerPassword = async (
  { attempts, registry, passwords, clock }: EnrolmentParts,
  application: Application,
): Promise<Refusal | null> => {
  const { user, password } = application
  const tooOften = await attempts.guess(user, clock.now())
  if (tooOften !== null) return tooOften
  const wrong = await passwords.verify(password, await registry.passwordHash(user))
  if (wrong !== null) return wrong
  await attempts.guessed(user)
  return registry.check(application, clock.now())
}

const issueChallenge = (
  { challenges, clock, random, identity }: EnrolmentParts,
  candidate: Candidate,
): CaMessage | Refusal => {
  const parts = { id: random.bytes(16), nonce: random.bytes(32), peer: candidate.peerId, now: clock.now() }
  const challenge = challenges.open(parts)
  if (isRefusal(challenge)) return challenge
  const context = challengeCodec.encode({
    nonce: challenge.nonce,
    csr: candidate.csrHash,
    newcomer: multihashOf(candidate.peerId),
    ca: multihashOf(identity.peerId),
    expiry: challenge.expiry,
  })
  return { kind: 'challenge', id: challenge.id, ciphertext: sealTo(candidate.publicKey, context, CHALLENGE_LABEL) }
}

const BESIDE_BYTES = ENROLMENT_MAX_BYTES - 16 * KIB // what the frame holds beside the new certificate

const redeem = async (
  { challenges, registry, authority, publisher, clock, log }: EnrolmentParts,
  answer: Answer,
  candidate: Candidate | null,
  caller: Caller,
): Promise<CaMessage | Refusal> => {
  const now = clock.now()
  const refused = challenges.redeem({ id: answer.id, nonce: answer.nonce, peer: caller.peerId, now })
  if (refused !== null) return refused
  if (candidate === null) return refuse('wrong-order', 'the answer came on another stream than its challenge')
  const { lifetimeMs } = await registry.terms()
  const issued = authority.issue(candidate.user, candidate.spki, now, lifetimeMs)
  const lost = await registry.enrol({ ...candidate, issued }, now)
  if (lost !== null) return lost // the certificate was never sent: it ends here
  log('enrolled', {
    user: candidate.user,
    door: candidate.admission.kind,
    peer: candidate.peerId,
    serial: issued.serial,
  })
  // The old key goes on the list with the new one's certificate; if that fails now, it is tried again and again.
  if (candidate.admission.kind === 'rekey') await publisher.refresh().catch(() => undefined)
  // A list of more than that, some ten thousand entries, is pulled from the peers instead.
  const list = publisher.latest().der
  const carried = list.byteLength <= BESIDE_BYTES / 2 ? list : null
  const directory = await registry.directory(BESIDE_BYTES - (carried?.byteLength ?? 0), now)
  return { kind: 'issued', certificate: issued.der, crl: carried, directory }
}

const noteRefusal = async (parts: EnrolmentParts, caller: Caller, user: string, refusal: Refusal): Promise<Refusal> => {
  const { registry, attempts, clock, log } = parts
  log('refused', { user, peer: caller.peerId, reason: refusal.code, detail: refusal.detail })
  const now = clock.now()
  if (attempts.auditable(now)) {
    const detail = `${refusal.code} for ${JSON.stringify(user)}`
    await registry.audit({ time: now, event: 'refused', subject: caller.peerId, detail })
  }
  return refusal
}

const callerOf = (connection: Connection): Caller => ({
  peerId: peerIdOf(connection.remotePeer),
  spki: connection.remotePeer.publicKey?.raw ?? new Uint8Array(),
})
