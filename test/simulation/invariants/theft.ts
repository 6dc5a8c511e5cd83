import { openBox } from '../../../peer/group/boxes.ts'
import { commitmentOf } from '../../../peer/group/sender-key.ts'
import { blob, text } from '../../../peer/store/database.ts'
import { openStores } from '../../../peer/store/stores.ts'
import { isRefusal } from '../../../shared/errors.ts'
import { type Incarnation, type RecordHash, type RoomId, toEpoch, toHex } from '../../../shared/ids.ts'
import { HOUR_MS, PREKEY_ERASE_MS, PREKEY_LIFETIME_MS } from '../../../shared/limits.ts'
import { systemRandom } from '../../../shared/random.ts'
import { senderKeyBodyCodec } from '../../../shared/wire/bodies.ts'
import type { createRack } from '../disk.ts'
import { type Evidence, type Known, logName, wordsOf } from '../evidence.ts'
import type { Theft } from '../journal.ts'
import type { Reference } from '../reference.ts'
import type { SeatOfDevice } from '../seat.ts'

/** A thing that is looked at late is erased late: prekeys are looked at each ten minutes, and machines sleep. */
const SLACK_MS = 1 * HOUR_MS
const WINDOW_MS = PREKEY_LIFETIME_MS + PREKEY_ERASE_MS + SLACK_MS

/**
 * (8) Who steals a device's store, with the key that opens it, opens nothing older than the prekey window where the history
 * is erased; and nothing that is sent under a sender key that was made when its maker knew the device's next prekey.
 */
export async function* stolenState(
  evidence: Evidence,
  references: readonly Reference[],
  rack: ReturnType<typeof createRack>,
): AsyncGenerator<string> {
  for (const theft of evidence.world.journal.thefts) {
    const seat = evidence.world.seats[theft.seat]
    if (seat === undefined || seat.cast.evil) continue
    const loot = openLoot(theft, seat, rack)
    for (const reference of references) yield* opened(evidence, reference, theft, seat, loot)
    loot.close()
  }
}

type Loot = {
  readonly stores: ReturnType<typeof openStores>
  /** Messages that the device had read by then. */
  readonly had: ReadonlySet<RecordHash>
  readonly prekeys: ReadonlySet<string>
  close(): void
}

const openLoot = (theft: Theft, seat: SeatOfDevice, rack: ReturnType<typeof createRack>): Loot => {
  const disk = rack.disk(false)
  disk.put(theft.image)
  const drive = disk.open(() => undefined)
  const stores = openStores(drive.database, { storeKey: seat.storeKey, device: seat.peer }, systemRandom)
  const rows = (sql: string) => drive.database.prepare(sql).all()
  return {
    stores,
    had: new Set(
      rows("SELECT hash FROM named_records WHERE kind = 'message' AND sealed_key IS NOT NULL").map(
        (row) => text(row.hash) as RecordHash,
      ),
    ),
    prekeys: new Set(rows('SELECT id FROM own_prekeys').map((row) => toHex(blob(row.id)))),
    close: () => drive.release(),
  }
}

async function* opened(
  evidence: Evidence,
  { room, records }: Reference,
  theft: Theft,
  seat: SeatOfDevice,
  loot: Loot,
): AsyncGenerator<string> {
  const boxed = await boxedEpochs(evidence, records, seat, loot)
  for (const record of records) {
    const { log, header, hash } = record
    if (header.kind !== 'message' || header.key === undefined) continue
    if (evidence.world.seats[evidence.seatOf(log.device)]?.cast.evil !== false) continue
    const box = boxed.get(`${logName(log)}/${header.key.epoch}`)
    const isOpen = box !== undefined || fromChain(loot, room, record) || fromOwn(loot, room, record, seat)
    if (!isOpen) continue
    const signed = evidence.world.journal.signed.get(hash)
    if (signed === undefined) continue
    // Prekeys and others' chains are erased after so long awake: what was sent while their owner slept must still open. What
    // was read already no chain opens, however long it slept since.
    const had = loot.had.has(hash)
    const asleep = had && box === undefined ? 0 : sleptBetween(evidence, signed.at, theft.at)
    const age = theft.at - signed.at - asleep
    // What it never had a box of its own prekey may open, as long as that is there; a chain it must not keep.
    if ((had || box === undefined) && age > WINDOW_MS) {
      yield `who stole ${seat.name}'s store opens ${wordsOf(evidence, record)}, which is ${hours(age)} older`
    }
    if (box === 'next') {
      yield `who stole ${seat.name}'s store opens ${wordsOf(evidence, record)}, whose author knew ${seat.name}'s next prekey`
    }
  }
}

const sleptBetween = ({ world }: Evidence, from: number, to: number): number =>
  world.journal.sleeps.reduce((sum, { at, ms }) => (from <= at && at < to ? sum + ms : sum), 0)

const hours = (ms: number): string => `${(ms / HOUR_MS).toFixed(0)} h`

const fromChain = ({ stores }: Loot, room: RoomId, { log, header }: Known): boolean => {
  if (header.key === undefined) return false
  const chain = stores.keys.chain(room, log.device, log.incarnation, toEpoch(header.key.epoch))
  return chain !== null && chain.chain.byteLength > 0 && chain.nextIndex <= header.key.index
}

const fromOwn = ({ stores }: Loot, room: RoomId, { log, header }: Known, seat: SeatOfDevice): boolean => {
  if (log.device !== seat.peer || log.incarnation !== stores.incarnation) return false
  const own = stores.keys.own(room)
  return own !== null && own.epoch === header.key?.epoch && own.secret.byteLength > 0
}

/** Epochs whose secret a stolen prekey opens; `next`: the box was made when its maker knew a later prekey of the device. */
const boxedEpochs = async (
  evidence: Evidence,
  records: readonly Known[],
  seat: SeatOfDevice,
  loot: Loot,
): Promise<ReadonlyMap<string, 'present' | 'next'>> => {
  const epochs = new Map<string, 'present' | 'next'>()
  const { network } = evidence.world.office.anchor
  for (const record of records) {
    const { log, header, body } = record
    const said = header.kind === 'sender-key' ? senderKeyBodyCodec.decode(body ?? new Uint8Array()) : null
    if (said === null || isRefusal(said)) continue
    const box = said.boxes.find(({ to, prekey }) => to === seat.peer && loot.prekeys.has(toHex(prekey)))
    const prekey = box === undefined ? null : loot.stores.keys.prekey(box.prekey)
    if (box === undefined || prekey === null) continue
    const epoch = toEpoch(said.epoch)
    const incarnation = log.incarnation as Incarnation
    const context = { room: log.room, author: log.device, incarnation, epoch }
    const info = { network, ...context, recipient: seat.peer, prekey: box.prekey }
    const secret = await openBox(prekey.secret, info, box.box)
    if (isRefusal(secret) || Buffer.compare(commitmentOf(secret, context), said.commitment) !== 0) continue
    const name = `${logName(log)}/${said.epoch}`
    if (epochs.get(name) !== 'next')
      epochs.set(name, knewNext(evidence, record, seat, toHex(box.prekey)) ? 'next' : 'present')
  }
  return epochs
}

/** Whether the author had stored a later entry of the device in the directory before it made this key. */
const knewNext = (evidence: Evidence, made: Known, seat: SeatOfDevice, prekey: string): boolean => {
  const author = evidence.witnesses.find(({ number }) => number === evidence.seatOf(made.log.device))
  if (author === undefined || author.seat.restores > 0) return false
  const at = author.rooms.get(made.log.room)?.get(made.hash)?.arrival ?? 0
  const directory = author.life.core.directory.room
  const entries = [...(author.rooms.get(directory)?.values() ?? [])]
    .filter(({ arrival }) => arrival < at)
    .flatMap(({ hash }) => evidence.known.get(directory)?.get(hash) ?? [])
    .filter(({ log }) => log.device === seat.peer)
    .sort((a, b) => a.header.time[0] - b.header.time[0] || a.header.time[1] - b.header.time[1])
  const newest = entries.at(-1)
  return newest?.body != null && !Buffer.from(newest.body).includes(Buffer.from(prekey, 'hex'))
}
