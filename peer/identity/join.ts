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
  /** A key of so many bits, of an earlier try that the CA's operator has to approve; a new one without it. */
  readonly key?: KeyObject
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
 * Makes a device key, enrols it, and writes the profile: the whole of it, or nothing.
 * @throws LanyardError `already-enrolled`, `join-cut-off`, or why the CA or we refused
 */
export const join = async (order: JoinOrder): Promise<Joined> => {
  await refuseSecondJoin(order.home)
  const { home, invite, user } = order
  const mark = { pin: invite.pin, user }
  const triedBefore = await wasTried(home, mark)
  const outcome = await enrolStrongEnough(order.keyBits, (bits) =>
    tryToJoin(order, bits, async () => (order.as === 'new-user' ? await noteTry(home, mark) : undefined)),
  )
  if (isRefusal(outcome)) {
    if (outcome.by === 'there' && !triedBefore && !OWN_TROUBLE.has(outcome.code)) await forgetTry(home) // nothing was written
    if (triedBefore && order.as === 'new-user' && TAKEN.has(outcome.code)) throw fault('join-cut-off', user)
    throw new LanyardError(outcome)
  }
  await forgetTry(home)
  return outcome
}

/** What a CA says to a new user who is none any more. */
const TAKEN: ReadonlySet<Code> = new Set(['token-used', 'name-taken'])
/** What a CA may say, too, when all is written down and it fails afterwards. */
const OWN_TROUBLE: ReadonlySet<Code> = new Set(['fault', 'storage-failed', 'database-locked', 'disk-full'])

const tryToJoin = async (
  order: JoinOrder,
  bits: number,
  beforeAnswer: () => Promise<void>,
): Promise<Joined | Refusal> => {
  const { home, clock, invite, user, password, random, passphrase } = order
  const key = order.key !== undefined && bits === order.keyBits ? order.key : await newRsaKey(bits)
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

const doorOf = ({ as, invite }: JoinOrder): { readonly door?: EnrolDoor } => {
  if (as === 'further-device') return { door: { kind: 'login' } }
  return invite.token === undefined ? { door: { kind: 'register' } } : {}
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
