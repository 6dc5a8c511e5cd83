import type { KeyObject } from 'node:crypto'
import { newRsaKey } from '../../shared/certificate/new-key.ts'
import { verifyDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { type Code, fault, isRefusal, LanyardError, type Refusal } from '../../shared/errors.ts'
import type { PeerId, UserName } from '../../shared/ids.ts'
import type { Invite } from '../../shared/invite.ts'
import { createNode } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import { createAddressStore } from '../store/addresses.ts'
import { createCertificateStore } from '../store/certificates.ts'
import { databasePath, openDatabase } from '../store/database.ts'
import { createRevocationListStore } from '../store/revocation-list.ts'
import type { CaContact } from './ca-line.ts'
import { type EnrolDoor, type Enrolled, enrol } from './enrol.ts'
import { enrolStrongEnough } from './key-size.ts'
import { createKeystore, readProfile } from './keystore.ts'
import { forgetTry, noteTry, wasTried } from './tried.ts'
import { bitsOf, forgetWaiting, isRegistering, keepWaiting, openWaiting } from './waiting.ts'

/** What is known of the network that one joins: all of an invite, or what a network code and multicast tell. */
export type Introduction = CaContact & Pick<Invite, 'networkName'> & Partial<Pick<Invite, 'token'>>

export type JoinOrder = {
  readonly home: string
  /** An invite, or, of a CA that lets newcomers register, where it is and what root it must show. */
  readonly invite: Introduction
  /** A new user, by the invite's token, or a further device of a user; by a login the token stays unspent. */
  readonly as: 'new-user' | 'further-device'
  readonly user: UserName
  readonly password: string
  readonly passphrase: string
  /** Bits that the key is to have at least. */
  readonly keyBits: number
  readonly clock: Clock
  readonly random: Random
  /** Multiaddrs that the device will listen on, for the CA to tell to those who join later. */
  readonly listen: readonly string[]
}

export type Joined = {
  readonly user: UserName
  readonly network: string
  readonly device: PeerId
  readonly addresses: readonly string[]
}

/**
 * Makes a device key, enrols it, and writes the profile: the whole of it, or nothing. Where the operator has to approve the
 * key first, it waits in the home, and the next join of the same user in the same network takes it up.
 * @throws LanyardError `already-enrolled`, `join-cut-off`, `passphrase-wrong` and `waiting-damaged` of a key that waits, or
 * why the CA or we refused
 */
export const join = async (order: JoinOrder): Promise<Joined> => {
  await refuseSecondJoin(order.home)
  const { home, invite, user } = order
  const mark = { pin: invite.pin, user }
  const waiting = await openWaiting(order, order.passphrase)
  const triedBefore = await wasTried(home, mark)
  const note = async (): Promise<void> => (order.as === 'new-user' ? await noteTry(home, mark) : undefined)
  const fromBits = Math.max(order.keyBits, waiting === null ? 0 : bitsOf(waiting)) // as strong as the CA has asked for then
  const outcome = await enrolStrongEnough(fromBits, async (bits) => {
    const key = waiting !== null && bits === bitsOf(waiting) ? waiting : await newRsaKey(bits)
    const answer = await tryToJoin(order, key, note)
    const isPending = isRefusal(answer) && answer.code === 'approval-pending' && answer.by === 'there'
    if (isPending && key !== waiting) await keepWaiting(order, key, order)
    return answer
  })
  if (isRefusal(outcome)) {
    if (outcome.by === 'there' && !triedBefore && !OWN_TROUBLE.has(outcome.code)) await forgetTry(home) // nothing was written
    if (triedBefore && order.as === 'new-user' && TAKEN.has(outcome.code)) throw fault('join-cut-off', user)
    throw new LanyardError(outcome)
  }
  await forgetTry(home)
  await forgetWaiting(home)
  return outcome
}

/** What a CA says to a new user who is none any more. */
const TAKEN: ReadonlySet<Code> = new Set(['token-used', 'name-taken'])
/** What a CA may say, too, when all is written down and it fails afterwards. */
const OWN_TROUBLE: ReadonlySet<Code> = new Set(['fault', 'storage-failed', 'database-locked', 'disk-full'])

const tryToJoin = async (
  order: JoinOrder,
  key: KeyObject,
  beforeAnswer: () => Promise<void>,
): Promise<Joined | Refusal> => {
  const { home, clock, invite, user, password, random, passphrase } = order
  const node = await createNode({ key, listen: order.listen })
  try {
    const addresses = node.addresses()
    const door = doorOf(order)
    const enrolled = await enrol({ node, invite, ...door, user, password, key, clock, addresses, beforeAnswer })
    if (isRefusal(enrolled)) return enrolled
    const { certificate, root, successions } = enrolled
    const { caPeerId, pin, networkName, addresses: caAddresses } = invite
    const profile = { networkName, user, caPeerId, caAddresses, pin }
    await createKeystore(home, { key, certificate, root, successions, profile }, { passphrase, random })
    await remember(order, enrolled)
    return { user, network: networkName, device: node.peerId, addresses }
  } finally {
    await node.stop()
  }
}

const doorOf = (order: JoinOrder): { readonly door?: EnrolDoor } => {
  if (order.as === 'further-device') return { door: { kind: 'login' } }
  return isRegistering(order) ? { door: { kind: 'register' } } : {}
}

const refuseSecondJoin = async (home: string): Promise<void> => {
  try {
    await readProfile(home)
  } catch (error) {
    if (error instanceof LanyardError && error.code === 'no-profile') return
    throw error
  }
  throw fault('already-enrolled', home)
}

/** The others can be listed, and looked for, from the first start on. What does not verify is passed over. */
const remember = async ({ home, clock }: JoinOrder, { anchor, directory, crl }: Enrolled): Promise<void> => {
  const now = clock.now()
  const database = openDatabase(databasePath(home))
  try {
    const certificates = createCertificateStore(database)
    const known = createAddressStore(database)
    // As with any list, it is checked when it is read.
    if (crl !== null) await createRevocationListStore(database).put(crl)
    for (const { certificate, addresses } of directory) {
      const device = verifyDevice(certificate, { anchor, now })
      if (isRefusal(device)) continue
      certificates.add(device)
      known.remember(device.peerId, addresses, now)
    }
  } finally {
    database.close()
  }
}
