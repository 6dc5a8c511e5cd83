import { afterEach, beforeEach, expect, test } from 'vitest'
import { createOwnPrekeys } from '../../peer/group/own-prekeys.ts'
import type { Prekey } from '../../peer/group/prekeys.ts'
import { type ParsedRecord, parseRecord } from '../../peer/log/record.ts'
import { createDirectory, type Directory } from '../../peer/rooms/directory.ts'
import { createCertificateStore } from '../../peer/store/certificates.ts'
import { type Database, openDatabase } from '../../peer/store/database.ts'
import { createKeyStore } from '../../peer/store/keys.ts'
import { beginNewIncarnation } from '../../peer/store/meta.ts'
import { createSealer } from '../../peer/store/sealer.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { type PeerId, roomIdOf, toHex } from '../../shared/ids.ts'
import { HOUR_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { deviceBodyCodec } from '../../shared/wire/bodies.ts'
import { newKey, testNetwork } from '../support/certificates.ts'
import { createPen, type Pen } from '../support/records.ts'

const network = testNetwork()
const key = newKey()
const certificate = network.issue({ user: 'alice', key })
const alice: VerifiedDevice = orThrow(verifyDevice(certificate, { anchor: network.anchor, now: systemClock.now() }))

let databases: Database[]
beforeEach(() => {
  databases = []
})
afterEach(() => {
  for (const database of databases) database.close()
})
const openStore = (): Database => {
  const database = openDatabase(':memory:')
  databases.push(database)
  return database
}

/** As bob has it. */
const openDirectory = (): Directory =>
  createDirectory({
    network: network.network,
    anchor: () => network.anchor,
    certificates: createCertificateStore(openStore()),
    clock: systemClock,
    self: 'bob' as PeerId,
    revoked: () => false,
  })

const entryOf = async (pen: Pen, prekey: Prekey, time: readonly [number, number]): Promise<ParsedRecord> => {
  const draft = { room: roomIdOf(network.network, '~directory'), kind: 'device' } as const
  const body = deviceBodyCodec.encode({ certificate, prekey })
  return orThrow(parseRecord((await pen.write({ ...draft, body }, { time: [...time] })).bytes))
}

// Somebody's clock was ahead: hybrid time stands still in its milliseconds, and only the counter goes on.
test('while somebody’s clock is ahead, the prekey of a device that was restored from a backup takes the place of the one before, whichever comes first', async () => {
  const database = openStore()
  const ownPrekeys = () =>
    createOwnPrekeys(
      createKeyStore(database, createSealer(new Uint8Array(32), systemRandom)),
      systemClock,
      systemRandom,
    )
  const { prekey: before } = await ownPrekeys().current()
  beginNewIncarnation(database)
  const { prekey: after, fresh } = await ownPrekeys().current()
  expect(fresh).toBe(true)
  const ahead = systemClock.now() + 7 * HOUR_MS
  const entries = [
    await entryOf(createPen({ key, certificate }), before, [ahead, 1]),
    await entryOf(createPen({ key, certificate }), after, [ahead, 2]),
  ]
  for (const some of [entries, entries.toReversed()]) {
    const directory = openDirectory()
    for (const entry of some) directory.learn(entry, alice)
    expect(directory.recipients().map(({ prekey }) => toHex(prekey.id))).toEqual([toHex(after.id)])
  }
})
