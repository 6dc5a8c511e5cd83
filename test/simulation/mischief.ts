import { sealBox } from '../../peer/group/boxes.ts'
import { topicOf } from '../../peer/log/gossip.ts'
import { previousOf } from '../../peer/log/log.ts'
import { encodeRecord, type ParsedRecord, parseWire, signBatch } from '../../peer/log/record.ts'
import type { LogId } from '../../peer/store/log-id.ts'
import { tick } from '../../shared/clock.ts'
import { isRefusal, LanyardError, orThrow } from '../../shared/errors.ts'
import { fromHex, type RoomId, recordHashOf, sha256 } from '../../shared/ids.ts'
import { FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import { type MessageContent, messageContentCodec, senderKeyBodyCodec } from '../../shared/wire/bodies.ts'
import { keysProtocol, keysReplyCodec, keysRequestCodec } from '../../shared/wire/keys.ts'
import { encodeMembership } from '../../shared/wire/membership.ts'
import { receiptBodyCodec } from '../../shared/wire/receipt.ts'
import { headerCodec, type RecordHeader } from '../../shared/wire/record.ts'
import type { Chance } from './chance.ts'
import { type Places, roomOf } from './deeds.ts'
import type { Life } from './device.ts'
import type { Journal } from './journal.ts'
import type { Network, SimulatedConnection } from './network.ts'
import type { Office } from './people.ts'
import type { Doing, Mischief } from './plan.ts'
import type { SeatOfDevice } from './seat.ts'
import type { Timers } from './timers.ts'

export type MischiefParts = {
  readonly office: Office
  readonly seats: readonly SeatOfDevice[]
  readonly places: Places
  readonly journal: Journal
  readonly network: Network
  readonly timers: Timers
  readonly chance: Chance
  readonly now: () => number
}

const KINDS: ReadonlySet<string> = new Set<Mischief['kind']>([
  'equivocate',
  'replay',
  'forge',
  'wrong-boxes',
  'lie-about-keys',
  'write-on',
  'pry',
  'flood',
])

export const isMischief = (doing: Doing): doing is Mischief => KINDS.has(doing.kind)

type Draft = Pick<RecordHeader, 'kind' | 'key'> & { readonly body: Uint8Array; readonly after?: readonly Uint8Array[] }

/** What an evil device does; it has an honest one's parts, a true certificate, and its own key. */
export const createMischief = (parts: MischiefParts) => {
  const { seats, journal, network, timers, chance, office } = parts

  const connections = (life: Life): SimulatedConnection[] =>
    life.sessions.list().map(({ connection }) => connection as unknown as SimulatedConnection)
  /** Puts a record into others' hands, by no way that an honest device would choose. */
  const fling = (life: Life, record: ParsedRecord, to: readonly SimulatedConnection[] = connections(life)): void => {
    for (const connection of to) {
      network.fling(connection, 'evil', ({ host }) => {
        const victim = seats.find((seat) => seat.life?.host === host)?.life
        if (victim != null) void timers.busy(victim.core.ingest.take(record))
      })
    }
  }
  /** A record at the head of the device's log in a room, signed as if all were well; nothing of it is stored. */
  const forge = async (seat: SeatOfDevice, life: Life, room: RoomId, draft: Draft): Promise<ParsedRecord> => {
    const { core, stores } = life
    const log: LogId = { room, device: seat.peer, incarnation: stores.incarnation }
    const head = core.log.head(log)
    const time = tick(stores.records.lastTime(room), seat.now())
    const seq = head === null ? 0 : head.seq + 1
    const header: RecordHeader = {
      v: 1,
      room: fromHex(room),
      author: fromHex(seat.person.self.hash),
      inc: fromHex(log.incarnation),
      seq,
      prev: previousOf(head),
      after: draft.after ?? core.rooms.cite(log, seq).map(fromHex),
      time: [time.ms, time.count],
      kind: draft.kind,
      body: sha256(draft.body),
      ...(draft.key === undefined ? {} : { key: draft.key }),
    }
    const bytes = headerCodec.encode(header)
    const [signed] = await signBatch(seat.person.key, [recordHashOf(bytes)])
    if (signed === undefined) throw new Error('no signature')
    const record = orThrow(parseWire({ header: bytes, body: draft.body, ...signed }))
    journal.signed.set(record.hash, { by: seats.indexOf(seat), at: parts.now(), record })
    return record
  }
  const receipt = (): Uint8Array => receiptBodyCodec.encode({ held: [], read: [] })
  /** Something to put into a room; of a founded one it may say who is in it. */
  const anything = (life: Life, room: RoomId): Draft => {
    const founded = life.core.rooms.get(room)?.kind === 'founded'
    const kind = founded ? chance.pick(['receipt', 'join', 'leave', 'settings'] as const) : 'receipt'
    if (kind === 'receipt') return { kind, body: receipt() }
    if (kind === 'settings') return { kind, body: encodeMembership({ kind, topic: `evil ${chance.below(100)}` }) }
    return { kind, body: encodeMembership({ kind }) }
  }

  const equivocate = async (seat: SeatOfDevice, life: Life, room: RoomId): Promise<void> => {
    const [a, b] = [
      await forge(seat, life, room, anything(life, room)),
      await forge(seat, life, room, {
        kind: 'receipt',
        body: receiptBodyCodec.encode({ held: [], read: [somewhere(seat)] }),
      }),
    ]
    const all = connections(life)
    const some = all.filter(() => chance.odds(0.5))
    fling(life, a, some)
    fling(
      life,
      b,
      all.filter((one) => !some.includes(one)),
    )
    if ((await life.core.ingest.take(a)) === 'stored') journal.equivocations.push({ room, a: a.hash, b: b.hash })
  }
  const somewhere = (seat: SeatOfDevice) => ({ device: seat.peer, inc: new Uint8Array(8), seq: chance.below(1_000) })

  const replay = (life: Life, room: RoomId): void => {
    const { records, serving } = life.stores
    for (const { device, inc, seq } of life.core.log.heads(room).slice(0, 4)) {
      const log = { room, device, incarnation: Buffer.from(inc).toString('hex') } as LogId
      const [step] = serving.steps(log, chance.below(seq + 1) - 1, seq, 1)
      const hash = step === undefined ? null : records.hashAt(log, step.seq)
      const wire = hash === null ? null : records.wire(hash)
      const record = wire === null ? null : parseWire(wire)
      if (record !== null && !isRefusal(record)) fling(life, record)
    }
  }
  const wrongBoxes = async (life: Life, room: RoomId, how: 'garbage' | 'other-secret' | 'left-out'): Promise<void> => {
    const { group, rooms, author, chat } = life.core
    const { list } = rooms.audience(room)
    const prepared = await group.prepare(room, rooms.audience(room), { rekey: true })
    if (prepared === null) return
    const bodies = await Promise.all(
      prepared.bodies.map(async (body) => {
        const boxes = await Promise.all(
          body.boxes.map(async (box) => {
            const to = list.find(({ peer }) => peer === box.to)
            if (to === undefined || chance.odds(0.5)) return [box]
            if (how === 'left-out') return []
            if (how === 'garbage') return [{ ...box, box: chance.bytes(box.box.byteLength) }]
            const context = {
              network: office.anchor.network,
              room,
              author: life.host.peer,
              incarnation: life.stores.incarnation,
              epoch: prepared.key.epoch,
              recipient: to.peer,
              prekey: to.prekey.id,
            }
            const other = await sealBox(to.prekey.publicKey, context, chance.bytes(32), chance)
            return isRefusal(other) ? [] : [{ ...box, box: other }]
          }),
        )
        return { ...body, boxes: boxes.flat() }
      }),
    )
    await Promise.all(
      bodies.map((body, index) =>
        author.append({
          room,
          kind: 'sender-key',
          body: senderKeyBodyCodec.encode(body),
          ...(index === 0 ? { together: () => group.use(prepared) } : {}),
        }),
      ),
    )
    await chat.say(room, 'under wrong boxes')
  }
  const lieAboutKeys = async (life: Life): Promise<void> => {
    const { serving } = life.stores
    const { served } = serving
    const lies: Pick<typeof serving, 'served'> = {
      served: (arrival) => {
        const one = served(arrival)
        return one?.message == null ? one : { ...one, message: { ...one.message, key: () => chance.bytes(32) } }
      },
    }
    Object.assign(serving, lies)
    await life.node.handle(keysProtocol(office.anchor.network), async (stream) => {
      const words = { incoming: keysRequestCodec, outgoing: keysReplyCodec }
      const channel = openChannel(stream, words, { maxFrameBytes: FRAME_MAX_BYTES })
      const request = await channel.receive()
      if (isRefusal(request)) return
      const keys = request.records.map((record) => ({ record, key: chance.bytes(32) }))
      await channel.send({ kind: 'keys', keys })
      await channel.close()
    })
  }
  const writeOn = async (seat: SeatOfDevice, life: Life, room: RoomId): Promise<void> => {
    const { group, ingest } = life.core
    if (group.due(room)) return
    const content: MessageContent = { kind: 'text', text: 'as if I were still here' }
    const sealed = group.seal(room, messageContentCodec.encode(content))
    const record = await forge(seat, life, room, { kind: 'message', body: sealed.body, key: sealed.header, after: [] })
    fling(life, record)
    await ingest.take(record)
  }
  const flood = async (seat: SeatOfDevice, life: Life, room: RoomId, records: number): Promise<void> => {
    const { author, rooms } = life.core
    const sent = Array.from({ length: records }, () => author.append({ room, kind: 'receipt', body: receipt() }))
    await Promise.all(sent)
    const topic = topicOf(office.anchor.network, rooms.general)
    const stray = await forge(seat, life, rooms.general, { kind: 'receipt', body: receipt() })
    const spoilt = encodeRecord(stray.wire)
    for (const connection of connections(life)) {
      for (let copy = 0; copy < 10; copy++) {
        const data = new Uint8Array(spoilt)
        data[chance.below(data.byteLength)] = chance.below(256)
        life.gossip.whisper(connection, topic, copy === 0 ? chance.bytes(100) : data)
      }
    }
  }

  return async (seat: SeatOfDevice, what: Mischief): Promise<void> => {
    const { life } = seat
    if (life === null) return
    if (what.kind === 'lie-about-keys') return await lieAboutKeys(life)
    const room = roomOf(life, parts.places, what.room)
    if (room === null) return
    try {
      switch (what.kind) {
        case 'equivocate':
          return await equivocate(seat, life, room)
        case 'replay':
          return replay(life, room)
        case 'forge': {
          const { user } = what
          const body = encodeMembership(
            what.what === 'grant'
              ? { kind: 'grant', user, admin: true }
              : what.what === 'invite'
                ? { kind: 'invite', user }
                : { kind: 'remove', user, heads: [] },
          )
          await life.core.author.append({ room, kind: what.what, body })
          return
        }
        case 'wrong-boxes':
          return await wrongBoxes(life, room, what.how)
        case 'write-on':
          return await writeOn(seat, life, room)
        case 'pry':
          for (const { device } of life.sessions.list()) void life.keyService.ask(device.peerId, room).catch(() => 0)
          return
        case 'flood':
          return await flood(seat, life, room, what.records)
      }
    } catch (error) {
      if (!(error instanceof LanyardError)) throw error // its own device refuses some of it
    }
  }
}
