import type { KeyObject } from 'node:crypto'
import { createLog, type Log, place } from '../../peer/log/log.ts'
import { encodeRecord, type ParsedRecord, parseWire, signBatch } from '../../peer/log/record.ts'
import { createSessions, type Sessions } from '../../peer/network/sessions.ts'
import { openDatabase } from '../../peer/store/database.ts'
import type { LogId } from '../../peer/store/log-id.ts'
import { createNames } from '../../peer/store/names.ts'
import { createRecordStore, type RecordStore } from '../../peer/store/records.ts'
import { createSealer } from '../../peer/store/sealer.ts'
import { createServingStore, type ServingStore } from '../../peer/store/serving.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, orThrow, type Refusal } from '../../shared/errors.ts'
import { fromHex, type RecordHash, type RoomId, recordHashOf, sha256, toIncarnation } from '../../shared/ids.ts'
import { createNode, type Node } from '../../shared/network/node.ts'
import { systemRandom } from '../../shared/random.ts'
import { headerCodec, type RecordHeader } from '../../shared/wire/record.ts'
import { newKey, type TestNetwork } from './certificates.ts'

/** A device that holds records and lets them travel: a real node and a real store, with no rules about who may write what. */
export type Holder = AsyncDisposable & {
  readonly device: VerifiedDevice
  readonly key: KeyObject
  readonly node: Node
  readonly sessions: Sessions
  readonly log: Log
  readonly records: RecordStore
  readonly serving: ServingStore
  /** Takes records in, in their order, as an honest member would: those that are next in their log, and proof of forks. */
  readonly ingest: { take: (record: ParsedRecord) => Promise<'stored' | Refusal> }
  /** In the order in which they were taken in. */
  readonly taken: readonly ParsedRecord[]
  /** Connects, and admits each other at once. */
  meet(other: Holder): Promise<void>
}

/** Whose log a record is in, which only its certificate could tell. */
export type Authors = Map<string, string>

export const createHolder = async (network: TestNetwork, user: string, authors: Authors): Promise<Holder> => {
  const key = newKey()
  const certificate = network.issue({ user, key })
  const device = orThrow(verifyDevice(certificate, { anchor: network.anchor, now: Date.now() }))
  authors.set(device.hash, device.peerId)
  const node = await createNode({ key, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const sessions = createSessions(device.peerId)
  node.onDisconnection((connection) => sessions.drop(connection))
  const database = openDatabase(':memory:')
  const sealer = createSealer(systemRandom.bytes(32), systemRandom)
  const names = createNames(database)
  const records = createRecordStore(database, sealer, names)
  const serving = createServingStore(database, sealer, names)
  const log = createLog(records, serving.forks)
  const taken: ParsedRecord[] = []

  const take = async (record: ParsedRecord): Promise<'stored' | Refusal> => {
    const id = idOf(record, authors)
    const verdict = place(record, log.head(id), (seq) => records.hashAt(id, seq))
    if (isRefusal(verdict)) {
      if (verdict.code === 'record-equivocation') {
        records.keepFork(id, record, encodeRecord(record.wire))
        log.forked(id, record.header.seq)
      }
      return verdict
    }
    database.transaction(() => records.append(id, record, null))
    log.advance(id, { seq: record.header.seq, hash: record.hash })
    taken.push(record)
    return 'stored'
  }
  const holder: Holder = {
    device,
    key,
    node,
    sessions,
    log,
    records,
    serving,
    taken,
    ingest: { take },
    meet: async (other) => {
      const inbound = new Promise<void>((resolve) => {
        const end = other.node.onConnection((connection) => {
          end()
          other.sessions.admit(device, connection)
          resolve()
        })
      })
      sessions.admit(other.device, await node.dial(other.node.addresses()))
      await inbound
    },
    [Symbol.asyncDispose]: async () => {
      await node.stop()
      database.close()
    },
  }
  return holder
}

const idOf = ({ room, author, incarnation }: ParsedRecord, authors: Authors): LogId => ({
  room,
  device: (authors.get(author) ?? author) as LogId['device'],
  incarnation,
})

let writersKey: KeyObject | null = null

/** A device that only writes, many records at a time, with its own idea of time. */
export const createWriter = (room: RoomId, authors: Authors, bodyBytes = 40) => {
  writersKey ??= newKey() // nobody verifies here: it need not be one each
  const key = writersKey
  const inc = systemRandom.bytes(8)
  const author = sha256(inc)
  const incarnation = toIncarnation(inc)
  authors.set(Buffer.from(author).toString('hex'), `Qm${incarnation.padStart(44, 'z')}`)
  let seq = 0
  let prev: Uint8Array = new Uint8Array(32)
  /** The next records, one for each time; `changes` are signed as if all were well. */
  const write = async (
    times: readonly (readonly [number, number])[],
    changes: Partial<RecordHeader> = {},
  ): Promise<ParsedRecord[]> => {
    const drafts = times.map((time) => {
      const body = systemRandom.bytes(bodyBytes)
      const message = { epoch: 0, index: 0, commitment: new Uint8Array(32) }
      const fixed = { v: 1, room: fromHex(room), author, inc, after: [], kind: 'message', key: message } as const
      const header = headerCodec.encode({ ...fixed, seq, prev, time, body: sha256(body), ...changes })
      seq++
      prev = fromHex(recordHashOf(header))
      return { header, body }
    })
    const records: ParsedRecord[] = []
    for (let at = 0; at < drafts.length; at += 256) {
      const batch = drafts.slice(at, at + 256)
      const signed = await signBatch(
        key,
        batch.map(({ header }) => recordHashOf(header)),
      )
      for (const [index, proof] of signed.entries()) {
        const draft = batch[index]
        if (draft !== undefined) records.push(orThrow(parseWire({ ...draft, ...proof })))
      }
    }
    return records
  }
  return {
    write,
    device: `Qm${incarnation.padStart(44, 'z')}`,
    inc,
    /** Goes back to a number, so that what is written next is a second branch. */
    goBack: (to: number, before: RecordHash | null) => {
      seq = to
      prev = before === null ? new Uint8Array(32) : fromHex(before)
    },
  }
}
