import { generateKeyPair, type KeyObject } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { PeerEvent } from '../../peer/events.ts'
import { generatePrekeyPair, SUITE } from '../../peer/group/boxes.ts'
import { prekeyIdOf } from '../../peer/group/prekeys.ts'
import { type ParsedRecord, parseRecord } from '../../peer/log/record.ts'
import { openDatabase } from '../../peer/store/database.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { monotonicClock, systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import type { RoomId, UserName } from '../../shared/ids.ts'
import { SIGN_MAX_RECORDS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { type Life, startLife } from '../simulation/device.ts'
import type { SimulatedGossip } from '../simulation/gossip-cloud.ts'
import { type TestNetwork, testNetwork } from '../support/certificates.ts'
import { unsafePublicKey } from '../support/crowd.ts'

/** One device in this process: everything of a peer but libp2p, on a database in a file. */
export type Hand = {
  readonly name: UserName
  readonly key: KeyObject
  readonly device: VerifiedDevice
  readonly storeKey: Uint8Array
  /** Of its database. */
  readonly path: string
  readonly life: Life
  /** Its entry in the directory. */
  entry(): ParsedRecord
  readonly ears: { onSigned: (records: readonly ParsedRecord[]) => void; onEvent: (event: PeerEvent) => void }
  /** Ends what it does … */
  stop(): Promise<void>
  /** … and, once nobody sends it anything any more, its hold on the files. */
  close(): void
}

/** A user who is away: a certificate, a prekey that boxes are sealed to, and no process. */
export type Absent = { readonly device: VerifiedDevice; readonly prekey: { id: Uint8Array; publicKey: Uint8Array } }

/** Devices of one network in this process, each with its files in a new folder below this one. */
export const createCrew = (below: string) => {
  const folder = mkdtempSync(join(below, 'crew-'))
  const network = testNetwork()
  const hands: Hand[] = []
  const identify = async (name: string) => {
    const { privateKey } = await newKeyPair('rsa', { modulusLength: 2048 })
    return { key: privateKey, device: deviceOf(network, name, privateKey) }
  }
  return {
    network,
    identify,
    hire: async (name: string): Promise<Hand> => {
      const { key, device } = await identify(name)
      const hand = await begin(network, join(folder, `${hands.length}-${name}.db`), key, device)
      hands.push(hand)
      return hand
    },
    /** Names of users who are away; every hand of `by` knows their certificates and prekeys. */
    register: async (count: number, by: readonly Hand[]): Promise<UserName[]> => {
      const away = await Promise.all(Array.from({ length: count }, (_, at) => absentee(network, `away-${at}`)))
      for (const { life } of by) {
        life.stores.database.transaction(() => {
          for (const one of away) know(life, one)
        })
      }
      return away.map(({ device }) => device.user)
    },
    stop: async () => {
      await Promise.all(hands.map((hand) => hand.stop()))
      // What had arrived by then is still being read.
      for (let round = 0; round < 10; round++) {
        await pause(50)
        await Promise.all(hands.map(({ life }) => life.core.ingest.idle()))
      }
      for (const hand of hands.splice(0)) hand.close()
    },
  }
}

const newKeyPair = promisify(generateKeyPair)

const deviceOf = (network: TestNetwork, name: string, key: KeyObject): VerifiedDevice =>
  orThrow(verifyDevice(network.issue({ user: name, key }), { anchor: network.anchor, now: systemClock.now() }))

const begin = async (network: TestNetwork, path: string, key: KeyObject, device: VerifiedDevice): Promise<Hand> => {
  const database = openDatabase(path)
  const storeKey = systemRandom.bytes(32)
  const owner = { name: device.user, alive: true }
  const ears: Hand['ears'] = { onSigned: nothing, onEvent: nothing }
  const life = await startLife({
    anchor: network.anchor,
    person: { key, self: device },
    owner,
    drive: { database, dieIn: nothing, die: nothing, stirred: () => false, dead: null, release: database.close },
    storeKey,
    random: systemRandom,
    now: systemClock.now,
    lived: monotonicClock.now,
    gossip: NO_GOSSIP,
    flaws: {},
    busy: (work) => work,
    onEvent: (event) => ears.onEvent(event),
    onSigned: (records) => ears.onSigned(records),
  })
  const entry = (): ParsedRecord => orThrow(parseRecord((life.host as ShowingHost).shows().entry))
  const stop = async (): Promise<void> => {
    await life.stop()
    owner.alive = false
    await life.core.ingest.idle()
  }
  return { name: device.user, key, device, storeKey, path, life, entry, ears, stop, close: database.close }
}

type ShowingHost = Life['host'] & { shows(): { readonly entry: Uint8Array } }
const nothing = (): void => undefined

/** The rooms that are measured travel by push; the directory comes with each connection. */
const NO_GOSSIP: SimulatedGossip = {
  connect: nothing,
  disconnect: nothing,
  subscribe: nothing,
  unsubscribe: nothing,
  publish: async () => undefined,
  whisper: nothing,
}

const absentee = async (network: TestNetwork, name: string): Promise<Absent> => {
  const { publicKey } = await generatePrekeyPair(systemRandom)
  return { device: deviceOf(network, name, unsafePublicKey()), prekey: { id: prekeyIdOf(publicKey), publicKey } }
}

const know = ({ core, stores }: Life, { device, prekey }: Absent): void => {
  core.directory.add(device)
  const published = { ms: systemClock.now(), count: 0 }
  stores.certificates.setPrekey({ peer: device.peerId, suite: SUITE, published, ...prekey })
  core.directory.forget()
}

/** Each takes in the directory entries of the others, without a connection. */
export const introduce = async (hands: readonly Hand[]): Promise<void> => {
  await Promise.all(
    hands.flatMap((hand) => hands.map((other) => hand !== other && hand.life.core.ingest.take(other.entry()))),
  )
}

/** A private room of the founder and these users, who are invited as many at once as share a signature. */
export const found = async ({ life }: Hand, users: readonly UserName[]): Promise<RoomId> => {
  const { politics } = life.core
  const room = await politics.found({ name: 'bench', access: 'invite', history: 'all' })
  for (let at = 0; at < users.length; at += SIGN_MAX_RECORDS) {
    await Promise.all(users.slice(at, at + SIGN_MAX_RECORDS).map((user) => politics.invite(room, user)))
  }
  return room
}
