import { afterEach, describe, expect, test, vi } from 'vitest'
import { encodeRecord, type ParsedRecord } from '../../peer/log/record.ts'
import { type SyncParts, startSync } from '../../peer/log/sync-handler.ts'
import { openMemberStream } from '../../peer/network/guard.ts'
import { isRefusal, orThrow, type Refusal, refuse } from '../../shared/errors.ts'
import { foundedRoomIdOf, fromHex, type PeerId, type RoomId, roomIdOf, toHex, toIncarnation } from '../../shared/ids.ts'
import { FRAME_MAX_BYTES, HEADS_PER_FRAME, KIB } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import type { Node, Stream } from '../../shared/network/node.ts'
import { systemRandom } from '../../shared/random.ts'
import { roomBodyCodec } from '../../shared/wire/membership.ts'
import { type SyncRequest, syncProtocol, syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { newKey, testNetwork } from '../support/certificates.ts'
import { type Authors, createHolder, createWriter, type Holder } from '../support/holder.ts'
import { createPen } from '../support/records.ts'

// Sync over real connections, between devices that hold records and have no other business.

const network = testNetwork()
const general = roomIdOf(network.network, 'general')
const rooms = (count: number): RoomId[] =>
  Array.from({ length: count }, (_, at) => roomIdOf(network.network, `room ${at}`))

const authors: Authors = new Map()
const made: Holder[] = []
afterEach(async () => {
  await Promise.all(made.splice(0).map((holder) => holder[Symbol.asyncDispose]()))
})

type Wire = { readonly sent: number; readonly received: number; readonly streams: number }

/** Counts what goes over the streams that this side opens. */
const counted = (node: Node): { readonly node: Node; readonly wire: () => Wire } => {
  let [sent, received, streams] = [0, 0, 0]
  return {
    wire: () => ({ sent, received, streams }),
    node: {
      ...node,
      open: async (...args) => {
        const stream: Stream = await node.open(...args)
        streams++
        const send = stream.send.bind(stream)
        stream.send = (data) => {
          sent += data.byteLength
          return send(data)
        }
        stream.addEventListener('message', ({ data }) => {
          received += data.byteLength
        })
        return stream
      },
    },
  }
}

const join = async (user: string, changes: Partial<SyncParts> = {}) => {
  const holder = await createHolder(network, user, authors)
  made.push(holder)
  const { node, wire } = counted(holder.node)
  const fouls: Refusal[] = []
  const lies: string[] = []
  const heard: { readonly room: RoomId; readonly more: boolean }[] = []
  const sync = await startSync({
    node,
    network: network.network,
    sessions: holder.sessions,
    log: holder.log,
    records: holder.records,
    serving: holder.serving,
    ingest: { takeWith: holder.ingest.take },
    locked: () => false,
    allowance: { spend: () => 0 },
    mayRead: () => null,
    mayHaveKey: () => false,
    sharedRooms: () => [{ room: general, isMember: true }],
    openRooms: () => [],
    onOpenRooms: async () => undefined,
    onFoul: (refusal) => fouls.push(refusal),
    onLie: (peer) => lies.push(peer),
    onHeads: (_peer, room, _heads, more) => heard.push({ room, more }),
    ...changes,
  })
  return { ...holder, sync, wire, fouls, lies, heard }
}
const takeAll = async (holder: Holder, records: readonly ParsedRecord[]): Promise<void> => {
  for (const record of records) await holder.ingest.take(record)
}
const digests = (...holders: readonly Holder[]): string[] => holders.map(({ log }) => toHex(log.digest(general)))
const inTime = (a: ParsedRecord, b: ParsedRecord): number =>
  a.header.time[0] - b.header.time[0] || a.header.time[1] - b.header.time[1] || (a.hash < b.hash ? -1 : 1)

describe('a pull', () => {
  test.for([3, 300])('of the logs of %s devices brings all records, in the order of time', async (count) => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    const writers = Array.from({ length: count }, () => createWriter(general, authors))
    let ms = 0
    for (const writer of writers) {
      const times = Array.from({ length: 900 / count }, (_, at) => [(at + 1) * 1_000 + (ms++ % 7), 0] as const)
      await takeAll(alice, await writer.write(times))
    }
    await bob.meet(alice)
    expect(await bob.sync.pull(alice.device.peerId, general)).toEqual({ stored: 900, lacking: false })
    expect(bob.taken.map(({ hash }) => hash)).toEqual([...alice.taken].sort(inTime).map(({ hash }) => hash))
    expect(new Set(digests(alice, bob)).size).toBe(1)
  })

  test('that lacks nothing reads no record from the store, and moves nothing but heads', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    const records = await createWriter(general, authors).write([[1, 0]])
    for (const holder of [alice, bob]) await takeAll(holder, records)
    const steps = vi.spyOn(alice.serving, 'steps')
    await bob.meet(alice)
    expect(await bob.sync.pull(alice.device.peerId, general)).toEqual({ stored: 0, lacking: false })
    expect(steps).not.toHaveBeenCalled()
    expect(bob.wire().received).toBeLessThan(KIB / 2)
  })

  test('with more logs than fit into one message takes several, both ways', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    for (let log = 0; log < 2 * HEADS_PER_FRAME + 10; log++) {
      const records = await createWriter(general, authors).write([[log, 0]])
      for (const holder of log % 10 === 0 ? [alice] : [alice, bob]) await takeAll(holder, records)
    }
    await bob.meet(alice)
    expect(await bob.sync.pull(alice.device.peerId, general)).toMatchObject({ stored: 53, lacking: false })
    expect(new Set(digests(alice, bob)).size).toBe(1)
    expect(bob.fouls).toEqual([])
  })

  test('tells the server who has more', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    await takeAll(bob, await createWriter(general, authors).write([[1, 0]]))
    await bob.meet(alice)
    await bob.sync.pull(alice.device.peerId, general)
    await vi.waitFor(() => expect(alice.heard).toContainEqual({ room: general, more: true }))
  })

  test('ends for who is removed meanwhile, and keeps what had come', async () => {
    let removed = false
    const alice = await join('alice', { mayRead: () => (removed ? refuse('not-a-member') : null) })
    const bob = await join('bob')
    await takeAll(alice, await createWriter(general, authors).write(Array.from({ length: 2_000 }, (_, at) => [at, 0])))
    await bob.meet(alice)
    await bob.sync.pull(alice.device.peerId, general, () => {
      removed = true
    })
    expect(bob.taken.length).toBeGreaterThan(0)
    expect(bob.taken.length).toBeLessThan(2_000)
    await expect(bob.sync.pull(alice.device.peerId, general)).rejects.toMatchObject({ code: 'not-a-member' })
  })

  test('of who has nothing of others brings the keys that it may have, and of who has something none', async () => {
    const granted = (seq: number): boolean => seq % 2 === 0
    const alice = await join('alice', { mayHaveKey: (_log, seq) => granted(seq) })
    const came: { readonly seq: number; readonly key: string }[] = []
    const bob = await join('bob', {
      ingest: {
        takeWith: (record, key) => {
          came.push({ seq: record.header.seq, key: toHex(key) })
          return bob.ingest.take(record)
        },
      },
    })
    const writer = createWriter(general, authors)
    const write = async (seqs: readonly number[], hidden: readonly number[] = []): Promise<void> => {
      const records = await writer.write(seqs.map((seq) => [seq + 1, 0] as const))
      await takeAll(alice, records)
      for (const { hash, header } of records) alice.records.setKey(hash, keyOf(header.seq))
      const log = { room: general, device: writer.device as PeerId, incarnation: toIncarnation(writer.inc) }
      for (const seq of hidden) alice.records.hide(log, seq, seq, true)
    }
    const keyOf = (seq: number): Uint8Array => new Uint8Array(32).fill(seq)
    const expected = (seq: number, key: boolean) => ({ seq, key: key ? toHex(keyOf(seq)) : '' })
    await write([0, 1, 2, 3, 4], [2])
    await bob.meet(alice)
    await bob.sync.pull(alice.device.peerId, general)
    expect(came.splice(0)).toEqual([0, 1, 2, 3, 4].map((seq) => expected(seq, granted(seq) && seq !== 2)))
    await write([5, 6])
    await bob.sync.pull(alice.device.peerId, general)
    expect(came.splice(0)).toEqual([5, 6].map((seq) => expected(seq, false)))
    expect([...alice.fouls, ...bob.fouls]).toEqual([])
  })

  test('that broke off asks for keys again, though it brought something', async () => {
    const alice = await join('alice', { mayHaveKey: () => true })
    let keys = 0
    const bob = await join('bob', {
      ingest: {
        takeWith: (record, key) => {
          if (key.byteLength > 0) keys++
          return bob.ingest.take(record)
        },
      },
    })
    const times = Array.from({ length: 1_000 }, (_, at) => [at, 0] as const)
    await takeAll(alice, await createWriter(general, authors).write(times))
    for (const { hash } of alice.taken) alice.records.setKey(hash, new Uint8Array(32))
    await bob.meet(alice)
    const broken = bob.sync.pull(alice.device.peerId, general, () => {
      throw new Error('it broke off')
    })
    await expect(broken).rejects.toThrow('it broke off')
    expect(keys).toBeLessThan(times.length)
    await bob.sync.pull(alice.device.peerId, general)
    expect(bob.taken).toHaveLength(times.length)
    expect(keys).toBe(times.length)
  })

  test('of much more than the buffers hold goes on to its end, with a reader that is slower than its server', async () => {
    const alice = await join('alice')
    const bob = await join('bob', {
      ingest: {
        takeWith: async (record) => {
          for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
          return await bob.ingest.take(record)
        },
      },
    })
    const times = Array.from({ length: 1_000 }, (_, at) => [at, 0] as const)
    await takeAll(alice, await createWriter(general, authors, 60 * KIB).write(times))
    await bob.meet(alice)
    expect(await bob.sync.pull(alice.device.peerId, general)).toEqual({ stored: times.length, lacking: false })
  })

  test('about a room that is not known here is answered as for one that the asker is not in', async () => {
    const alice = await join('alice', { mayRead: () => refuse('room-unknown') })
    const bob = await join('bob')
    await bob.meet(alice)
    await expect(bob.sync.pull(alice.device.peerId, general)).rejects.toMatchObject({ code: 'not-a-member' })
  })

  test('of an author who signed two records with one number brings all to the same, with no member blamed', async () => {
    const crowd = [await join('alice'), await join('bob'), await join('carol')]
    const writer = createWriter(general, authors)
    const trunk = await writer.write([
      [1, 0],
      [2, 0],
      [3, 0],
    ])
    const branches = [
      await writer.write([
        [4, 0],
        [5, 0],
      ]),
    ]
    for (const [at, length] of [
      [3, 4],
      [2, 1],
    ] as const) {
      writer.goBack(at, trunk[at - 1]?.hash ?? null)
      branches.push(
        [...trunk.slice(0, at), ...(await writer.write(Array.from({ length }, (_, more) => [9 + more, 0])))].slice(at),
      )
    }
    const bases = [trunk, trunk, trunk.slice(0, 2)]
    for (const [index, holder] of crowd.entries())
      await takeAll(holder, [...(bases[index] ?? []), ...(branches[index] ?? [])])
    for (const [index, holder] of crowd.entries()) for (const other of crowd.slice(index + 1)) await holder.meet(other)
    await vi.waitFor(async () => {
      for (const one of crowd)
        for (const other of crowd) if (one !== other) await one.sync.pull(other.device.peerId, general)
      expect(new Set(digests(...crowd)).size).toBe(1)
    })
    for (const { log, fouls, lies } of crowd) {
      expect(log.heads(general)).toMatchObject([{ seq: 2, fork: 1 }])
      expect([fouls, lies]).toEqual([[], []])
    }
  })

  test('of what was told to be here already is told as a foul', async () => {
    const bob = await join('bob')
    const mallory = await createHolder(network, 'mallory', authors)
    made.push(mallory)
    const records = await createWriter(general, authors).write([[1, 0]])
    await takeAll(bob, records)
    await mallory.node.handle(syncProtocol(network.network), async (stream) => {
      const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES })
      await frames.receive()
      await frames.send(
        syncReplyCodec.encode({ kind: 'records', records: records.map(({ wire }) => encodeRecord(wire)) }),
      )
      await frames.send(syncReplyCodec.encode({ kind: 'done', heads: [], left: 0 }))
      await frames.close()
    })
    await bob.meet(mallory)
    await bob.sync.pull(mallory.device.peerId, general)
    expect(bob.fouls).toMatchObject([{ code: 'record-replayed' }])
  })
})

describe('the question which rooms are shared', () => {
  /** Both hold the same of many rooms. */
  const agreeing = async (count: number) => {
    const shared = rooms(count)
    const [alice, bob] = [
      await join('alice', { sharedRooms: () => shared.map((room) => ({ room, isMember: true })) }),
      await join('bob'),
    ]
    for (const room of shared) {
      const writers = Array.from({ length: 8 }, () => createWriter(room, authors))
      for (const writer of writers) {
        const records = await writer.write([
          [1, 0],
          [2, 0],
        ])
        for (const holder of [alice, bob]) await takeAll(holder, records)
      }
    }
    await bob.meet(alice)
    return { alice, bob, shared }
  }

  test('costs two that agree one round trip, and less than a tenth of a KiB a room', async () => {
    const { alice, bob, shared } = await agreeing(50)
    const answer = await bob.sync.rooms(alice.device.peerId)
    expect(answer.map(({ room }) => room)).toEqual(shared)
    expect(answer.every(({ agrees }) => agrees())).toBe(true)
    const { sent, received, streams } = bob.wire()
    expect(streams).toBe(1)
    expect((sent + received) / shared.length).toBeLessThan(KIB / 10)
  })

  test('is one frame each way', async () => {
    const { alice, bob } = await agreeing(3)
    const stream = await openMemberStream(bob.node, bob.sessions, alice.device.peerId, syncProtocol(network.network))
    const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES })
    await frames.send(syncRequestCodec.encode({ kind: 'rooms', open: new Uint8Array(32) }))
    const reply = orThrow(syncReplyCodec.decode(orThrow(await frames.receive())))
    expect(reply).toMatchObject({ kind: 'rooms', rooms: { length: 3 } })
    expect(await frames.receive()).toMatchObject({ code: 'stream-closed' })
  })

  test('asks the store for nothing, whatever the rooms hold', async () => {
    const { alice, bob } = await agreeing(3)
    const steps = vi.spyOn(alice.serving, 'steps')
    const heads = vi.spyOn(alice.records, 'heads')
    await bob.sync.rooms(alice.device.peerId)
    expect([steps.mock.calls, heads.mock.calls]).toEqual([[], []])
  })

  test('shows where they differ; after a pull they agree', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    await takeAll(alice, await createWriter(general, authors).write([[1, 0]]))
    await bob.meet(alice)
    const [shared] = await bob.sync.rooms(alice.device.peerId)
    expect(shared?.agrees()).toBe(false)
    await bob.sync.pull(alice.device.peerId, general)
    expect(shared?.agrees()).toBe(true)
  })

  test('names to each asker its own rooms only', async () => {
    const [ours, theirs] = rooms(2)
    const of: Record<string, RoomId | undefined> = { bob: ours, carol: theirs }
    const alice = await join('alice', {
      sharedRooms: ({ device }) => [{ room: of[device.user] ?? general, isMember: true }],
    })
    for (const name of ['bob', 'carol']) {
      const asker = await join(name)
      await asker.meet(alice)
      expect((await asker.sync.rooms(alice.device.peerId)).map(({ room }) => room)).toEqual([of[name]])
    }
  })
})

describe('open rooms', () => {
  const founded = async (name: string) => {
    const body = roomBodyCodec.encode({
      nonce: systemRandom.bytes(16),
      creator: 'alice',
      name,
      access: 'open',
      history: 'all',
    })
    const room = foundedRoomIdOf(network.network, body)
    const pen = createPen({ key: newKey(), certificate: new Uint8Array(1) })
    const { bytes } = await pen.write({ room, kind: 'room', body })
    return { room, record: bytes }
  }

  test('are told with the records that found them, once: then only when there are others', async () => {
    const open = [await founded('one')]
    const alice = await join('alice', { openRooms: () => open })
    const told: RoomId[][] = []
    const bob = await join('bob', {
      onOpenRooms: async (founding) => void told.push(founding.map(({ room }) => room)),
    })
    await bob.meet(alice)
    for (let question = 0; question < 3; question++) await bob.sync.rooms(alice.device.peerId)
    expect(told).toEqual([[open[0]?.room]])
    open.push(await founded('two'))
    for (let question = 0; question < 3; question++) await bob.sync.rooms(alice.device.peerId)
    expect(told.slice(1)).toEqual([open.map(({ room }) => room)])
  })

  test('that both know of are not told', async () => {
    const open = [await founded('one')]
    const alice = await join('alice', { openRooms: () => open })
    const onOpenRooms = vi.fn(async () => undefined)
    const bob = await join('bob', { openRooms: () => open, onOpenRooms })
    await bob.meet(alice)
    await bob.sync.rooms(alice.device.peerId)
    expect(onOpenRooms).not.toHaveBeenCalled()
  })

  test('whose record founds another room are foul', async () => {
    const [one, two] = [await founded('one'), await founded('two')]
    const [note] = await createWriter(general, authors).write([[1, 0]])
    const wrong = note === undefined ? new Uint8Array(9) : encodeRecord(note.wire)
    const open = [one, { room: two.room, record: wrong }, { room: two.room, record: new Uint8Array(9) }]
    const alice = await join('alice', { openRooms: () => open })
    const told: RoomId[] = []
    const bob = await join('bob', { onOpenRooms: async (all) => void told.push(...all.map(({ room }) => room)) })
    await bob.meet(alice)
    await bob.sync.rooms(alice.device.peerId)
    expect(told).toEqual([one.room])
    expect(bob.fouls.map(({ code }) => code)).toEqual(['record-wrong-room', 'record-malformed'])
  })
})

describe('a server', () => {
  const ask = async (asker: Holder, server: Holder, ...requests: readonly SyncRequest[]) => {
    const stream = await openMemberStream(
      asker.node,
      asker.sessions,
      server.device.peerId,
      syncProtocol(network.network),
    )
    const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES })
    for (const request of requests) await frames.send(syncRequestCodec.encode(request))
    return { stream, frames }
  }
  const headsOf = (holder: Holder, left: number): SyncRequest => ({
    kind: 'heads',
    room: fromHex(general),
    heads: holder.log.heads(general),
    left,
  })

  test.for<[string, readonly number[]]>([
    ['promise more than comes', [5, 4]],
    ['promise none, and one comes', [1, 1]],
    ['are more than a room has', [20_000]],
  ])('refuses heads that %s', async ([, lefts]) => {
    const [alice, mallory] = [await join('alice'), await join('mallory')]
    await takeAll(mallory, await createWriter(general, authors).write([[1, 0]]))
    const [head] = mallory.log.heads(general)
    if (head === undefined) throw new Error('one log')
    await mallory.meet(alice)
    const { frames } = await ask(
      mallory,
      alice,
      ...lefts.map((left): SyncRequest => ({ kind: 'heads', room: fromHex(general), heads: [head], left })),
      { kind: 'heads', room: fromHex(general), heads: [head, head], left: 0 },
    )
    const reply = await frames.receive()
    expect(isRefusal(reply) ? reply : syncReplyCodec.decode(reply)).toEqual({
      kind: 'refused',
      code: 'frame-malformed',
    })
    await vi.waitFor(() => expect(alice.fouls).toMatchObject([{ code: 'frame-malformed' }]))
  })

  test('keeps a few frames for who does not read, however much there is, and serves the others', async () => {
    const [alice, bob, slow] = [await join('alice'), await join('bob'), await join('slow')]
    const records = await createWriter(general, authors, 16 * KIB).write(
      Array.from({ length: 2_000 }, (_, at) => [at, 0]),
    )
    await takeAll(alice, records)
    const read = vi.spyOn(alice.serving, 'served')
    await slow.meet(alice)
    const { stream } = await ask(slow, alice, headsOf(slow, 0))
    stream.pause()
    await bob.meet(alice)
    expect(await bob.sync.pull(alice.device.peerId, general)).toMatchObject({ stored: records.length })
    // What the slow one was served lies in the windows and buffers of its stream.
    const forSlow = read.mock.calls.length - records.length
    expect(forSlow).toBeLessThan(records.length / 2)
    stream.abort(new Error('enough'))
  })

  test('puts off who asks too often, and refuses who asks far too often', async () => {
    const waits = [0, 20, 60_000]
    const alice = await join('alice', {
      allowance: { spend: (_peer, kind) => (kind === 'requests' ? (waits.shift() ?? 0) : 0) },
    })
    const bob = await join('bob')
    await bob.meet(alice)
    for (let question = 0; question < 2; question++) await bob.sync.pull(alice.device.peerId, general)
    await expect(bob.sync.pull(alice.device.peerId, general)).rejects.toMatchObject({ code: 'flooding' })
    await bob.sync.pull(alice.device.peerId, general)
  })
})
