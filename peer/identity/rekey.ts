import { openLineage, rootsOf } from '../../shared/certificate/lineage.ts'
import { newRsaKey } from '../../shared/certificate/new-key.ts'
import { checkNewer, readRevocationList } from '../../shared/certificate/revocation-list.ts'
import { type TrustAnchor, type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { type Code, fault, isRefusal, LanyardError, orThrow, type Refusal, wordsOf } from '../../shared/errors.ts'
import { createNode } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import { createAuthor } from '../log/author.ts'
import { createLog } from '../log/log.ts'
import { databasePath, openDatabase } from '../store/database.ts'
import { openStores, type Stores } from '../store/stores.ts'
import { contactOf } from './ca-line.ts'
import { type EnrolDoor, type Enrolled, enrol } from './enrol.ts'
import type { Draft, Keystore } from './identity-files.ts'
import { enrolStrongEnough } from './key-size.ts'
import { completeSuccessor, draftSuccessor, dropSuccessor, isAsked, markAsked, openSuccessor } from './successor.ts'

export type RekeyOrder = {
  readonly home: string
  /** The identity that is to be followed. */
  readonly keystore: Keystore
  readonly passphrase: string
  /** How the new key comes in: the old one vouches for it, or the user does by the password. */
  readonly by: { readonly kind: 'old-key' } | { readonly kind: 'password'; readonly password: string }
  /** Bits that the new key is to have at least. */
  readonly keyBits: number
  /** Multiaddrs that the device will listen on. */
  readonly listen: readonly string[]
  readonly clock: Clock
  readonly random: Random
}

/**
 * Gives the device a new key, and with it a new name among devices; the old one is put out of use by the CA. The store stays
 * as it is, and its history readable. A crash at any point leaves one identity that works, here or after asking the CA.
 * @throws LanyardError `profile-in-use`, `rekey-cut-off`, or why the CA or we refused
 */
export const rekey = (order: RekeyOrder): Promise<VerifiedDevice> =>
  withStores(order, async (stores) => {
    const { home, keystore, passphrase, random } = order
    const outcome = await enrolStrongEnough(order.keyBits, async (bits) => {
      const draft = { ...keystore, key: await newRsaKey(bits) }
      await draftSuccessor(home, draft, { passphrase, random })
      const first = await ask(order, draft)
      // What was said after the CA may have taken the key up is said once more: it gives the same key another certificate.
      return isRefusal(first) && (await isAsked(home)) && !isFinal(first) ? await ask(order, draft) : first
    })
    return await settle(order, stores, outcome)
  })

/** Ends a change of key that was cut off: asks the CA once more about the same key. @throws as `rekey` */
export const resumeRekey = (order: RekeyOrder): Promise<VerifiedDevice> =>
  withStores(order, async (stores) => {
    const draft = await openSuccessor(order.home, order.passphrase)
    return await settle(order, stores, await ask(order, draft))
  })

/** The home is ours alone until the work is over. */
const withStores = async <T>(order: RekeyOrder, work: (stores: Stores) => Promise<T>): Promise<T> => {
  const { home, keystore, clock, random } = order
  const anchor = orThrow(openLineage({ first: keystore.root, successions: keystore.successions }, clock.now()))
  const self = orThrow(verifyDevice(keystore.certificate, { anchor, now: clock.now(), at: 'any-time' }))
  const stores = openStores(
    openDatabase(databasePath(home)),
    { storeKey: keystore.storeKey, device: self.peerId },
    random,
  )
  try {
    await signLeftovers(order, stores, self)
    return await work(stores)
  } finally {
    stores.database.close()
  }
}

/** What a killed process had stored and not signed: soon nobody can. */
const signLeftovers = async ({ keystore, clock }: RekeyOrder, stores: Stores, self: VerifiedDevice): Promise<void> => {
  const { database, records, serving, incarnation } = stores
  const nothing = (): undefined => undefined // nothing is written but signatures, and nobody is told of them
  await createAuthor({
    self: () => self,
    key: keystore.key,
    incarnation,
    clock,
    database,
    records,
    log: createLog(records, serving.forks),
    lastTime: records.lastTime,
    cite: () => [],
    onPlaced: nothing,
    onStored: nothing,
    onBatch: nothing,
    onDone: nothing,
    onSigned: nothing,
  }).resume()
}

const ask = async ({ home, keystore, by, listen, clock }: RekeyOrder, { key }: Draft): Promise<Enrolled | Refusal> => {
  const { profile, certificate, key: oldKey } = keystore
  const door: EnrolDoor = by.kind === 'password' ? { kind: 'login' } : { kind: 'rekey', certificate, oldKey }
  const node = await createNode({ key, listen })
  try {
    return await enrol({
      node,
      invite: contactOf(keystore),
      door,
      user: profile.user,
      password: by.kind === 'password' ? by.password : '',
      key,
      clock,
      addresses: node.addresses(),
      // A login is not taken up again: what a crash leaves of it is a device that the operator may revoke.
      beforeAnswer: async () => (by.kind === 'old-key' ? await markAsked(home) : undefined),
    })
  } finally {
    await node.stop()
  }
}

const settle = async (
  { home, clock }: RekeyOrder,
  stores: Stores,
  outcome: Enrolled | Refusal,
): Promise<VerifiedDevice> => {
  if (isRefusal(outcome)) {
    if ((await isAsked(home)) && !isFinal(outcome)) throw fault('rekey-cut-off', wordsOf(outcome))
    await dropSuccessor(home)
    throw new LanyardError(outcome)
  }
  const { anchor, crl } = outcome
  if (crl !== null) await keepIfNewer(stores, crl, anchor)
  await completeSuccessor(home, outcome)
  return orThrow(verifyDevice(outcome.certificate, { anchor, now: clock.now() }))
}

/** What the CA says only when it has not taken the key up: it looks for that first. */
const FINAL: ReadonlySet<Code> = new Set([
  'already-enrolled',
  'certificate-revoked',
  'certificate-unknown',
  'user-disabled',
])
const isFinal = ({ code, by }: Refusal): boolean => by === 'there' && FINAL.has(code)

/** The old key is on it: from the first start on we know. */
const keepIfNewer = async ({ revocationList }: Stores, der: Uint8Array, anchor: TrustAnchor): Promise<void> => {
  const list = readRevocationList(der, anchor.root)
  const stored = revocationList.get()
  const read = stored === null ? [] : rootsOf(anchor).map((root) => readRevocationList(stored, root))
  if (isRefusal(list) || read.some((known) => !isRefusal(known) && checkNewer(list, known) !== null)) return
  await revocationList.put(list.der)
}
