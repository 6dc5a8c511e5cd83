import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createGroup } from '../../peer/group/group.ts'
import { createOwnPrekeys } from '../../peer/group/own-prekeys.ts'
import { blob, type Database, databasePath, openDatabase } from '../../peer/store/database.ts'
import { createKeyStore } from '../../peer/store/keys.ts'
import { createSealer } from '../../peer/store/sealer.ts'
import { type NetworkId, type PeerId, type RoomId, toIncarnation, type UserName } from '../../shared/ids.ts'
import {
  CHAIN_ERASE_AWAY_MS,
  CHAIN_ERASE_MS,
  EPOCH_ERASE_MS,
  EPOCH_LIFETIME_MS,
  PREKEY_ERASE_MS,
  PREKEY_LIFETIME_MS,
} from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'

const room = 'ab'.repeat(32) as RoomId
const nobodyElse = { list: [], pastIsOpen: true }

let home: string
let database: Database
let now: number
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lanyard-'))
  database = openDatabase(databasePath(home))
  now = 1_800_000_000_000
})
afterEach(() => {
  database.close()
  rmSync(home, { recursive: true })
})

const openGroup = () =>
  createGroup({
    network: 'network' as NetworkId,
    self: 'a device' as PeerId,
    incarnation: toIncarnation(new Uint8Array(8)),
    keys: createKeyStore(database, createSealer(new Uint8Array(32), systemRandom)),
    clock: { now: () => now },
    random: systemRandom,
  })

const prepared = async (group: ReturnType<typeof openGroup>) => {
  const made = await group.prepare(room, nobodyElse)
  if (made === null) throw new Error('the key is still good')
  database.transaction(() => group.use(made))
  return made
}

/** Whether the database's files hold these bytes anywhere. */
const isOnDisk = (bytes: Uint8Array): boolean =>
  ['', '-wal'].some((end) => readFileSync(`${databasePath(home)}${end}`).includes(Buffer.from(bytes)))

test('a sender key past its time is erased from memory and from the file, and its number is not given again', async () => {
  const group = openGroup()
  const { key } = await prepared(group)
  database.transaction(() => group.used(group.seal(room, new Uint8Array([1, 2, 3]))))
  const row = database.prepare('SELECT sealed_secret, sealed_chain FROM own_sender_keys').get()
  const sealed = [blob(row?.sealed_secret), blob(row?.sealed_chain)]
  expect(sealed.map(isOnDisk)).toEqual([true, true])

  now += EPOCH_LIFETIME_MS
  group.eraseSpent()
  expect(sealed.map(isOnDisk)).toEqual([true, true]) // a send that began in its time may still run

  now += EPOCH_ERASE_MS - EPOCH_LIFETIME_MS
  group.eraseSpent()
  expect(sealed.map(isOnDisk)).toEqual([false, false])
  expect(key.secret).toEqual(new Uint8Array(32))
  for (const one of [group, openGroup()]) {
    expect(one.due(room)).toBe(true)
    expect(() => one.seal(room, new Uint8Array(1))).toThrow('seal before prepare')
  }
  expect((await prepared(openGroup())).key.epoch).toBe(key.epoch + 1)
})

test("another's sender key is erased from the file 72 hours after it came, at a start later, and does not come back", async () => {
  const keys = createKeyStore(database, createSealer(new Uint8Array(32), systemRandom))
  const { prekey } = await createOwnPrekeys(keys, { now: () => now }, systemRandom).current()
  const other = openDatabase(':memory:')
  const alice = createGroup({
    network: 'network' as NetworkId,
    self: 'alice' as PeerId,
    incarnation: toIncarnation(new Uint8Array(8)),
    keys: createKeyStore(other, createSealer(new Uint8Array(32), systemRandom)),
    clock: { now: () => now },
    random: systemRandom,
  })
  const us = { peer: 'a device' as PeerId, user: 'we' as UserName, prekey }
  const made = await alice.prepare(room, { list: [us], pastIsOpen: true })
  const [body] = made?.bodies ?? []
  if (made === null || body === undefined) throw new Error('a key')
  alice.use(made)
  // Two messages that were erased before they came here: their ciphertext may be in anybody's hands.
  const [heard, ...unheard] = [1, 2, 3].map((one) => alice.seal(room, new Uint8Array([one])))
  const log = { room, device: 'alice' as PeerId, incarnation: toIncarnation(new Uint8Array(8)) }
  const group = openGroup()
  expect(await group.accept(log, body)).toBe('accepted')
  if (heard === undefined) return
  expect(group.open(log, heard.header, heard.body)).toMatchObject({ plaintext: new Uint8Array([1]) })
  database.transaction(() => group.flush())
  const sealed = blob(database.prepare('SELECT sealed_chain FROM chains').get()?.sealed_chain)
  database.checkpoint()

  now += CHAIN_ERASE_MS
  openGroup().eraseSpent()
  expect(isOnDisk(sealed)).toBe(true) // what was said meanwhile is still to be fetched
  group.eraseSpent()
  group.eraseSpent()
  expect(isOnDisk(sealed)).toBe(false)
  for (const one of [group, openGroup()]) {
    expect(await one.accept(log, body)).toBe('accepted') // the prekey is there still
    for (const { header, body } of unheard) expect(one.open(log, header, body)).toMatchObject({ code: 'key-missing' })
  }

  // Who starts for moments only has it erased all the same.
  database.prepare('DELETE FROM chains').run()
  const brief = openGroup()
  expect(await brief.accept(log, body)).toBe('accepted')
  database.transaction(() => brief.flush())
  for (const [wait, left] of [
    [CHAIN_ERASE_AWAY_MS - 1, 1],
    [1, 0],
  ] as const) {
    now += wait
    openGroup().eraseSpent()
    expect(database.prepare("SELECT 1 FROM chains WHERE sealed_chain <> X''").all()).toHaveLength(left)
  }
  other.close()
})

test('a prekey is erased from the file 72 hours after the next one took its place', async () => {
  const keys = createKeyStore(database, createSealer(new Uint8Array(32), systemRandom))
  const prekeys = createOwnPrekeys(keys, { now: () => now }, systemRandom)
  const { prekey: first } = await prekeys.current()
  const sealed = blob(database.prepare('SELECT sealed_secret FROM own_prekeys').get()?.sealed_secret)
  now += PREKEY_LIFETIME_MS
  const { prekey: second } = await prekeys.current()
  expect(second.id).not.toEqual(first.id)
  now += PREKEY_ERASE_MS - 1
  await prekeys.current()
  expect([keys.prekey(first.id) !== null, isOnDisk(sealed)]).toEqual([true, true])
  now += 1
  await prekeys.current()
  expect([keys.prekey(first.id), isOnDisk(sealed)]).toEqual([null, false])
})
