import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { fault, isRefusal, LanyardError, orThrow } from '../../shared/errors.ts'
import type { UserName } from '../../shared/ids.ts'
import type { Invite } from '../../shared/invite.ts'
import { DEVICE_KEY_MIN_BITS } from '../../shared/limits.ts'
import { createNode } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import { createAddressStore } from '../store/addresses.ts'
import { createCertificateStore } from '../store/certificates.ts'
import { openDatabase } from '../store/database.ts'
import { createRevocationListStore } from '../store/revocation-list.ts'
import { enrol } from './enrol.ts'
import { createKeystore, readProfile } from './keystore.ts'

export type JoinOrder = {
  readonly home: string
  readonly databasePath: string
  readonly invite: Invite
  readonly user: UserName
  readonly password: string
  readonly passphrase: string
  readonly clock: Clock
  readonly random: Random
  /** Multiaddrs that the device will listen on, for the CA to tell to those who join later. */
  readonly listen: readonly string[]
}

export type Joined = { readonly user: UserName; readonly network: string; readonly addresses: readonly string[] }

/**
 * Makes a device key, enrols it, and writes the profile: the whole of it, or nothing.
 * @throws LanyardError `already-enrolled`, or why the CA or we refused
 */
export const join = async (order: JoinOrder): Promise<Joined> => {
  await refuseSecondJoin(order.home)
  const { clock, invite, user, random } = order
  const { privateKey: key } = await promisify(generateKeyPair)('rsa', { modulusLength: DEVICE_KEY_MIN_BITS })
  const node = await createNode({ key, listen: order.listen })
  try {
    const addresses = node.addresses()
    const enrolled = orThrow(await enrol({ node, invite, user, password: order.password, key, clock, addresses }))
    const { certificate, root, directory, crl } = enrolled
    const { caPeerId, pin, networkName, addresses: caAddresses } = invite
    const profile = { networkName, user, caPeerId, caAddresses, pin }
    const identity = { key, certificate, root, profile }
    await createKeystore(order.home, identity, { passphrase: order.passphrase, random })
    remember(order, root, directory, crl)
    return { user, network: networkName, addresses }
  } finally {
    await node.stop()
  }
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
const remember = (
  { databasePath, clock }: JoinOrder,
  root: Uint8Array,
  directory: readonly { readonly certificate: Uint8Array; readonly addresses: readonly string[] }[],
  crl: Uint8Array | null,
): void => {
  const now = clock.now()
  const anchor = orThrow(trustAnchor(root, now))
  const database = openDatabase(databasePath)
  try {
    const certificates = createCertificateStore(database)
    const known = createAddressStore(database)
    // As with any list, it is checked when it is read.
    if (crl !== null) createRevocationListStore(database).put(crl)
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
