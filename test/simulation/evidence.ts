import { parseRecord, parseUnsigned } from '../../peer/log/record.ts'
import { blob, blobOrNull, integer, text } from '../../peer/store/database.ts'
import type { LogId } from '../../peer/store/log-id.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import type { Incarnation, PeerId, RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import type { RecordHeader } from '../../shared/wire/record.ts'
import type { Life } from './device.ts'
import type { Seat } from './plan.ts'
import type { SeatOfDevice } from './seat.ts'
import type { World } from './world.ts'

/** A record, whoever holds it. */
export type Known = {
  readonly hash: RecordHash
  readonly log: LogId
  readonly seq: number
  readonly user: UserName
  readonly header: RecordHeader
  /** Null where nobody has it any more. */
  readonly body: Uint8Array | null
}

/** A record as one device holds it. */
export type Held = {
  readonly hash: RecordHash
  readonly hidden: boolean
  readonly erased: boolean
  readonly readable: boolean
  readonly arrival: number
}

/** One device at the end of a run, whose word counts: it is honest, and not revoked. */
export type Witness = {
  readonly seat: SeatOfDevice
  readonly number: Seat
  readonly life: Life
  /** By room, in the order of logs and numbers. */
  readonly rooms: ReadonlyMap<RoomId, ReadonlyMap<RecordHash, Held>>
}

/** What all stores together tell at the end of a run. */
export type Evidence = {
  readonly world: World
  readonly witnesses: readonly Witness[]
  /** All records that any witness holds, by room. */
  readonly known: ReadonlyMap<RoomId, ReadonlyMap<RecordHash, Known>>
  /** Membership records beyond forks that are in no log of theirs. */
  readonly voids: readonly Known[]
  readonly nameOf: (device: PeerId) => string
  readonly seatOf: (device: PeerId) => Seat
}

export const gather = (world: World): Evidence => {
  const users = new Map(world.seats.map(({ peer, user }) => [peer, user]))
  const known = new Map<RoomId, Map<RecordHash, Known>>()
  const parsed = new Map<RecordHash, Known>()
  const voids = new Map<RecordHash, Known>()

  const look = (seat: SeatOfDevice, number: Seat, life: Life): Witness => {
    const rooms = new Map<RoomId, Map<RecordHash, Held>>()
    const rows = life.drive.database
      .prepare(
        `SELECT hash, room, device, inc, seq, hidden, erased, arrival, sealed_key IS NOT NULL AS readable, header, body
         FROM named_records ORDER BY room, device, inc, seq`,
      )
      .all()
    for (const row of rows) {
      const hash = text(row.hash) as RecordHash
      const room = text(row.room) as RoomId
      const held = rooms.get(room) ?? new Map<RecordHash, Held>()
      rooms.set(room, held)
      held.set(hash, {
        hash,
        hidden: row.hidden === 1,
        erased: integer(row.erased) > 0,
        readable: row.readable === 1,
        arrival: integer(row.arrival),
      })
      const before = parsed.get(hash)
      if (before !== undefined && before.body !== null) continue
      const record = parseUnsigned({ header: blob(row.header), body: blobOrNull(row.body) })
      if (isRefusal(record)) throw new Error(`${seat.name} holds what is no record: ${record.detail}`)
      const device = text(row.device) as PeerId
      const one: Known = {
        hash,
        log: { room, device, incarnation: text(row.inc) as Incarnation },
        seq: integer(row.seq),
        user: users.get(device) ?? ('?' as UserName),
        header: record.header,
        body: record.wire.body,
      }
      parsed.set(hash, one)
      const all = known.get(room) ?? new Map<RecordHash, Known>()
      known.set(room, all.set(hash, one))
    }
    for (const row of life.drive.database.prepare('SELECT wire FROM void_facts').all()) {
      const record = orThrow(parseRecord(blob(row.wire)))
      const { peer: device, user } = world.seats.find(({ person }) => person.self.hash === record.author) ?? NOBODY
      const log = { room: record.room, device, incarnation: record.incarnation }
      const { hash, header, wire } = record
      voids.set(hash, { hash, log, seq: header.seq, user, header, body: wire.body })
    }
    return { seat, number, life, rooms }
  }
  const witnesses = world.seats.flatMap((seat, number) =>
    seat.life === null || seat.cast.evil || world.journal.revoked.has(number) ? [] : [look(seat, number, seat.life)],
  )
  const numbers = new Map(world.seats.map(({ peer }, number) => [peer, number]))
  return {
    world,
    witnesses,
    known,
    voids: [...voids.values()],
    nameOf: (device) => world.seats[numbers.get(device) ?? -1]?.name ?? device,
    seatOf: (device) => numbers.get(device) ?? -1,
  }
}

const NOBODY = { peer: '' as PeerId, user: '' as UserName }

export const logName = ({ device, incarnation }: Pick<LogId, 'device' | 'incarnation'>): string =>
  `${device}/${incarnation}`

export const inTime = (a: Known, b: Known): number => {
  const [[ams, acount], [bms, bcount]] = [a.header.time, b.header.time]
  return ams - bms || acount - bcount || (a.hash < b.hash ? -1 : 1)
}

/** For people: who wrote it, which number, and what it is. */
export const wordsOf = ({ nameOf }: Evidence, { log, seq, header, hash }: Known): string =>
  `${header.kind} ${seq} of ${nameOf(log.device)}/${log.incarnation.slice(0, 4)} (${hash.slice(0, 6)})`
