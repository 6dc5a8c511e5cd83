import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../../peer/store/database.ts'
import { openStores, type Stores } from '../../peer/store/stores.ts'
import { type PeerId, type RoomId, toEpoch, toIncarnation } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { temporaryFolder } from '../support/enrolment.ts'

const storeKey = new Uint8Array(randomBytes(32))
const [alice, fresh, bob] = ['alice', 'alice anew', 'bob'] as PeerId[] as [PeerId, PeerId, PeerId]
const room = 'aa'.repeat(32) as RoomId
const bytes = (value: number): Uint8Array => new Uint8Array(32).fill(value)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

const opened = <T>(device: PeerId, look: (stores: Stores) => T): T => {
  const stores = openStores(openDatabase(join(folder.path, 'peer.db')), { storeKey, device }, systemRandom)
  try {
    return look(stores)
  } finally {
    stores.database.close()
  }
}

const furnish = ({ keys }: Stores): void => {
  keys.setOwn({ room, epoch: toEpoch(3), nextIndex: 7, created: 1, secret: bytes(1), chain: bytes(2) })
  keys.addRecipients(room, toEpoch(3), [bob])
  keys.rotatePrekey({ id: bytes(3), publicKey: bytes(4), secret: bytes(5), created: 1 }, 1)
  const incarnation = toIncarnation(bytes(6).subarray(0, 8))
  keys.setChain({ room, device: bob, incarnation, epoch: toEpoch(0), nextIndex: 2, chain: bytes(7) }, 1)
}
const lookAround = ({ keys, incarnation }: Stores) => ({
  incarnation,
  own: keys.own(room),
  recipients: keys.recipients(room, toEpoch(3)),
  prekey: keys.currentPrekey(),
  chain: keys.chain(room, bob, toIncarnation(bytes(6).subarray(0, 8)), toEpoch(0)),
})

test('a store stays as it is, as long as its device does', () => {
  opened(alice, furnish)
  const before = opened(alice, lookAround)
  expect(before).toMatchObject({ own: { epoch: 3, nextIndex: 7 }, recipients: [bob], prekey: { created: 1 } })
  expect(opened(alice, lookAround)).toEqual(before)
})

test('a store of a device with a new key begins a new life, forgets what was bound to the old one, and reads on', () => {
  opened(alice, furnish)
  const before = opened(alice, lookAround)
  const after = opened(fresh, lookAround)
  expect(after.incarnation).not.toBe(before.incarnation)
  expect(after).toMatchObject({ own: null, recipients: [], prekey: null, chain: before.chain })
  expect(opened(fresh, lookAround)).toEqual(after)
})
