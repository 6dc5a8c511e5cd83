import type { KeyObject } from 'node:crypto'
import { readRequest } from '../shared/certificate/request.ts'
import { isSuccession } from '../shared/certificate/succession.ts'
import { type TrustAnchor, type VerifiedDevice, verifyDevice } from '../shared/certificate/verify.ts'
import { isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import { type PeerId, sha256 } from '../shared/ids.ts'
import { PASSWORD_MAX_BYTES, PASSWORD_MIN, RENEWAL_GRACE_MS } from '../shared/limits.ts'
import { userNameOf } from '../shared/user-name.ts'
import type { EnrolmentRequest } from '../shared/wire/enrolment.ts'
import type { Admission, Applicant } from './admission.ts'
import { checkReserved } from './names.ts'

/** The other end of the connection, as Noise proved it. */
export type Caller = {
  readonly peerId: PeerId
  /** SubjectPublicKeyInfo, DER; of a peer without an RSA key something else. */
  readonly spki: Uint8Array
}

/** A request that keeps all rules which need no look at the database. */
export type Application = Applicant & {
  readonly password: string
  /** What becomes of the password: a new user's is hashed and kept, a known user's compared. */
  readonly passwordUse: 'set' | 'check' | 'none'
  readonly publicKey: KeyObject
  readonly spki: Uint8Array
  /** SHA-256 of the certificate request. */
  readonly csrHash: Uint8Array
}

/** What a request is held against. */
export type Ground = {
  readonly anchor: TrustAnchor
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** The shortest key that gets a certificate, bits. */
  readonly keyBits: number
}

/** The request's own signature, its key, its names, its door, the password: the application, or the first broken rule. */
export const assess = (request: EnrolmentRequest, caller: Caller, ground: Ground): Application | Refusal => {
  const csr = readRequest(request.csr)
  if (isRefusal(csr)) return csr
  if (Buffer.compare(csr.spki, caller.spki) !== 0) return refuse('request-wrong-key')
  const bits = csr.publicKey.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < ground.keyBits) return refuse('key-too-weak', `${bits} bits, at least ${ground.keyBits}`)
  const user = userNameOf(request.user)
  if (isRefusal(user)) return user
  if (csr.user !== user) return refuse('request-malformed', 'it names another user than the message around it')
  const door = assessDoor(request, caller, ground)
  if (isRefusal(door)) return door
  const isNew = door.passwordUse === 'set'
  const refused = (isNew ? checkReserved(user) : null) ?? assessPassword(request.password, isNew ? 'new' : 'known')
  if (refused !== null) return refused
  return {
    user,
    peerId: caller.peerId,
    ...door,
    addresses: request.addresses,
    password: request.password,
    publicKey: csr.publicKey,
    spki: csr.spki,
    csrHash: sha256(csr.der),
  }
}

type Entrance = { readonly admission: Admission; readonly passwordUse: Application['passwordUse'] }

const assessDoor = (request: EnrolmentRequest, caller: Caller, ground: Ground): Entrance | Refusal => {
  const { door } = request
  switch (door.kind) {
    case 'token':
      return { admission: { kind: 'token', tokenHash: sha256(door.token) }, passwordUse: 'set' }
    case 'register':
      return { admission: { kind: 'register' }, passwordUse: 'set' }
    case 'login':
      return { admission: { kind: 'login' }, passwordUse: 'check' }
    case 'renew': {
      const held = readHeld(request, door.certificate, { ...ground, remoteSpki: caller.spki })
      if (isRefusal(held)) return held
      const passwordUse = ground.now <= held.notAfter + RENEWAL_GRACE_MS ? 'none' : 'check'
      if (passwordUse === 'check' && request.password === '') return refuse('password-needed')
      return { admission: { kind: 'renew', serial: held.serial }, passwordUse }
    }
    case 'rekey': {
      const held = readHeld(request, door.certificate, ground)
      if (isRefusal(held)) return held
      if (ground.now > held.notAfter + RENEWAL_GRACE_MS) return refuse('certificate-expired', 'over 30 days ago')
      if (!isSuccession(door.proof, held.publicKey, request.csr, ground.anchor.network)) {
        return refuse('request-bad-signature', 'the old key has not signed for the new one')
      }
      return { admission: { kind: 'rekey', serial: held.serial, peerId: held.peerId }, passwordUse: 'none' }
    }
  }
}

/** The certificate that is shown: one of ours, for this user, expired or not. */
const readHeld = (
  { user }: EnrolmentRequest,
  certificate: Uint8Array,
  checks: Ground & { readonly remoteSpki?: Uint8Array },
): VerifiedDevice | Refusal => {
  const held = verifyDevice(certificate, { ...checks, at: 'any-time' })
  if (isRefusal(held)) return held
  return held.user === user ? held : refuse('request-malformed', `the certificate is for ${held.user}`)
}

/** Null, or what is wrong with a password before it is hashed or compared. A known one may be from before today's rules. */
export const assessPassword = (password: string, kind: 'new' | 'known'): Refusal | null => {
  if (kind === 'new' && [...password].length < PASSWORD_MIN) return refuse('password-too-short')
  return Buffer.byteLength(password) > PASSWORD_MAX_BYTES ? refuse('input-invalid', 'the password is too long') : null
}
