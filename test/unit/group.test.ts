import { afterEach, beforeEach, expect, test } from 'vitest'
import { generatePrekeyPair, SUITE } from '../../peer/group/boxes.ts'
import { createGroup, type Group, type Recipient } from '../../peer/group/group.ts'
import { createOwnPrekeys } from '../../peer/group/own-prekeys.ts'
import { prekeyIdOf } from '../../peer/group/prekeys.ts'
import { type Database, openDatabase } from '../../peer/store/database.ts'
import { createKeyStore, type KeyStore } from '../../peer/store/keys.ts'
import { createSealer } from '../../peer/store/sealer.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { type NetworkId, type PeerId, type RoomId, toIncarnation, type UserName } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'

// Sender keys of two devices, with a real store each.

const room = 'ab'.repeat(32) as RoomId
const network = 'network' as NetworkId
const incarnation = toIncarnation(new Uint8Array(8))
const clock = { now: () => 1_800_000_000_000 }
const words = new TextEncoder().encode('hello')
const ZEROS = new Uint8Array(32)

const opened: Database[] = []
let alice: Group
let bob: Group
/** What Bob has taken out of his store: secrets, in plain. */
let lent: Uint8Array[] = []
let bobsKeys: KeyStore
beforeEach(() => {
  lent = []
  alice = groupOf('alice', storeOf())
  bobsKeys = storeOf()
  bob = groupOf('bob', {
    ...bobsKeys,
    prekey: (id) => {
      const prekey = bobsKeys.prekey(id)
      if (prekey !== null) lent.push(prekey.secret)
      return prekey
    },
    chain: (...of) => {
      const chain = bobsKeys.chain(...of)
      if (chain !== null) lent.push(chain.chain)
      return chain
    },
  })
})
afterEach(() => {
  for (const database of opened.splice(0)) database.close()
})

const storeOf = (): KeyStore => {
  const database = openDatabase(':memory:')
  opened.push(database)
  return createKeyStore(database, createSealer(new Uint8Array(32), systemRandom))
}
const groupOf = (name: string, keys: KeyStore): Group =>
  createGroup({ network, self: name as PeerId, incarnation, keys, clock, random: systemRandom })

const recipient = async (): Promise<Recipient> => {
  const { prekey } = await createOwnPrekeys(bobsKeys, clock, systemRandom).current()
  return { peer: 'bob' as PeerId, user: 'bob' as UserName, prekey }
}
const prepare = async (list: readonly Recipient[]) => {
  const preparation = await alice.prepare(room, { list, pastIsOpen: true })
  if (preparation !== null) {
    alice.use(preparation)
    for (const body of preparation.bodies) alice.boxed(room, body)
  }
  return preparation
}
const log = { room, device: 'alice' as PeerId, incarnation }

test('keys that were used are zeros in memory: of the sender, of the reader, and of the box', async () => {
  const preparation = await prepare([await recipient()])
  const [body] = preparation?.bodies ?? []
  if (preparation === null || body === undefined) throw new Error('a key')
  const first = preparation.key.chain
  const [one, two, three] = [alice.seal(room, words), alice.seal(room, words), alice.seal(room, words)]
  expect([first, one.next.chain, two.next.chain]).toEqual([ZEROS, ZEROS, ZEROS])
  expect(three.next.chain).not.toEqual(ZEROS)

  expect(await bob.accept(log, body)).toBe('accepted')
  bob.flush()
  bob.forget() // so that the chain is lent by the store
  expect(orThrow(bob.open(log, two.header, two.body)).plaintext).toEqual(words)
  expect(lent).toEqual([ZEROS, ZEROS])
  expect(isRefusal(bob.open(log, one.header, one.body))).toBe(true)
  expect(orThrow(bob.open(log, three.header, three.body)).plaintext).toEqual(words)

  const before = preparation.key.secret
  expect(before).not.toEqual(ZEROS)
  await alice.prepare(room, { list: [], pastIsOpen: true }).then((next) => next !== null && alice.use(next))
  expect([before, three.next.chain]).toEqual([ZEROS, ZEROS])
})

test('a message that does not open leaves the chain where it is', async () => {
  const preparation = await prepare([await recipient()])
  const sealed = alice.seal(room, words)
  for (const body of preparation?.bodies ?? []) await bob.accept(log, body)
  expect(bob.open(log, { ...sealed.header, commitment: ZEROS }, sealed.body)).toMatchObject({ code: 'key-wrong' })
  expect(orThrow(bob.open(log, sealed.header, sealed.body)).plaintext).toEqual(words)
})

test('who has a prekey that is no key makes nobody write to it again and again', async () => {
  const good = await recipient()
  const lowOrder = { id: prekeyIdOf(ZEROS), suite: SUITE, publicKey: ZEROS }
  const bad: Recipient = { peer: 'mallory' as PeerId, user: 'mallory' as UserName, prekey: lowOrder }
  expect((await prepare([good, bad]))?.bodies.flatMap(({ boxes }) => boxes.map(({ to }) => to))).toEqual(['bob'])
  expect(await prepare([good, bad])).toBe(null)
  const { publicKey } = await generatePrekeyPair(systemRandom)
  const mended = { ...bad, prekey: { id: prekeyIdOf(publicKey), suite: SUITE, publicKey } }
  expect((await prepare([good, mended]))?.bodies.flatMap(({ boxes }) => boxes.map(({ to }) => to))).toEqual(['mallory'])
})
