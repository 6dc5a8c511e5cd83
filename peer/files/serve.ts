import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { type RecordHash, type RoomId, toRecordHash } from '../../shared/ids.ts'
import { CHUNKS_AHEAD, CHUNKS_AHEAD_SHARED, HAVE_AFTER_MS, HAVE_CHUNKS_MAX } from '../../shared/limits.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { type FileReply, fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import type { Session } from '../network/sessions.ts'
import { sealChunk } from './chunk.ts'
import { chunkCount } from './extent.ts'
import type { ChunkReader, Holding } from './holding.ts'
import { createOneEach, type OneEach } from './one-each.ts'
import type { Pace } from './pace.ts'

export type ServeParts = {
  /** What this message offered, as far as it is held; or why it is not served. Asked again before each chunk. */
  readonly find: (record: RecordHash) => Holding | Refusal
  /** Whether it is still to be served: cheap, since it is asked before each chunk. */
  readonly mayServe: (record: RecordHash) => Refusal | null
  /** Whether a session may have what a message of a room offers: manifest and chunks, as its key. */
  readonly mayFetch: (room: RoomId, session: Session, record: RecordHash) => Refusal | null
  /** Somebody has asked for it, who may soon have some of it, too. */
  readonly onWanted: (record: RecordHash, session: Session) => void
  /** @param bytes that this road has carried so far; `whole`: the fetcher has all of it */
  readonly onServed: (file: Holding, session: Session, bytes: number, whole: boolean) => void
  readonly pace: Pace
}

const reply = (frames: Frames, message: FileReply): Promise<void> => frames.send(fileReplyCodec.encode(message))

/** Serves the files that we hold to members of the rooms in which they were offered: one file a road. */
export const createServing = (parts: ServeParts): ((frames: Frames, session: Session) => Promise<void>) => {
  const seats = new Map<RecordHash, number>()
  const room = { shared: CHUNKS_AHEAD_SHARED }
  const oneEach = createOneEach()
  /** The roads of each offer, each with what tells its fetcher that a chunk was given to another. */
  const roads = new Map<RecordHash, Set<(index: number) => void>>()

  const converse = async (frames: Frames, session: Session): Promise<Refusal | null> => {
    const first = await frames.receive()
    const want = isRefusal(first) ? first : fileRequestCodec.decode(first)
    if (isRefusal(want)) return want
    if (want.kind !== 'want') return refuse('wrong-order', want.kind)
    const record = toRecordHash(want.record)
    const held = parts.find(record)
    const refusal = isRefusal(held) ? held : parts.mayFetch(held.room, session, record)
    parts.onWanted(record, session)
    if (refusal !== null || isRefusal(held)) return refusal
    const seat = seats.get(record) ?? 0
    seats.set(record, seat + 1)
    await using reader = held.open()
    const manifest = want.known ? null : held.encoded
    const others = roads.get(record) ?? new Set()
    roads.set(record, others)
    const onGiven = (index: number): void => {
      for (const tell of others) if (tell !== road.given) tell(index)
    }
    const road = createRoad(parts, { frames, session, held, record, reader, room, oneEach, onGiven })
    road.tell({ kind: 'held', manifest, chunks: held.have(), seat })
    others.add(road.given)
    try {
      return await road.serve()
    } finally {
      others.delete(road.given)
      if (others.size === 0) roads.delete(record)
    }
  }
  return async (frames, session) => {
    const refusal = await converse(frames, session)
    if (refusal !== null && refusal.code !== 'stream-closed')
      await reply(frames, { kind: 'refused', code: refusal.code }).catch(() => undefined)
  }
}

type RoadParts = {
  readonly frames: Frames
  readonly session: Session
  readonly held: Holding
  readonly record: RecordHash
  readonly reader: ChunkReader
  /** Chunks that all roads together may still read ahead. */
  readonly room: { shared: number }
  /** One chunk at a time is on its way to a peer, however many roads it has: all peers get as much. */
  readonly oneEach: OneEach
  /** This road's fetcher was given a chunk: others may have it of that one. */
  readonly onGiven: (index: number) => void
}

/** One fetcher's road: answers go out in the order of its requests, and what has come to us in between. */
const createRoad = (parts: ServeParts, road: RoadParts) => {
  const { frames, session, held, record, reader, room, oneEach } = road
  let ended: Refusal | null = null
  let line: Promise<void> = Promise.resolve()
  const queue = (work: () => Promise<void>): Promise<void> => {
    line = line.then(work).catch(() => {
      ended ??= refuse('stream-closed')
    })
    return line
  }
  const tell = (message: FileReply): void => void queue(() => reply(frames, message))
  const news = createNews((chunks) => tell({ kind: 'have', chunks }))
  const given = createNews((chunks) => tell({ kind: 'given', chunks }))
  const stopped = new AbortController()

  let ahead = 0
  let served = 0
  const spare: Uint8Array[] = [] // what a chunk was read into holds the next one once it is sealed
  /** One chunk a road is always let in, so that nobody who does not read keeps the others waiting. */
  const takeRoom = (): 'own' | 'shared' | null => {
    if (ahead === 0) return 'own'
    if (ahead >= CHUNKS_AHEAD || room.shared === 0) return null
    room.shared--
    return 'shared'
  }
  const answer = (index: number): Promise<void> => {
    const seat = takeRoom()
    ahead++
    const memory = spare.pop() ?? new Uint8Array(held.manifest.chunkBytes)
    const reading = reader.read(index, memory).catch((): Refusal => refuse('file-unreadable'))
    const give = async (): Promise<void> => {
      const chunk = await reading
      if (ended !== null) return
      const barred = parts.mayServe(record) ?? parts.mayFetch(held.room, session, record)
      const sealed =
        barred ?? (isRefusal(chunk) ? chunk : sealChunk(held, index, chunk, frames.handsBack ? chunk : undefined))
      if (isRefusal(sealed)) {
        // Told at once: the fetcher waits for this very answer, and asks nothing more before it.
        ended = refuse('stream-closed')
        await reply(frames, { kind: 'refused', code: sealed.code })
        await frames.close()
        return
      }
      await parts.pace.take(sealed.ciphertext.byteLength, stopped.signal)
      await reply(frames, { kind: 'sealed', index, tag: sealed.tag })
      await frames.send(sealed.ciphertext)
      served += sealed.ciphertext.byteLength
      parts.onServed(held, session, served, false)
    }
    return queue(async () => {
      try {
        await oneEach(session.device.peerId, give)
      } finally {
        spare.push(memory)
        ahead--
        if (seat === 'shared') room.shared++
      }
    })
  }

  /** Until the fetcher has enough, leaves, or says what it must not. */
  const serve = async (): Promise<Refusal | null> => {
    const end = held.onCome(news.add)
    try {
      for (;;) {
        const frame = await frames.receive()
        const request = isRefusal(frame) ? frame : fileRequestCodec.decode(frame)
        if (ended !== null) return ended
        if (isRefusal(request)) return request
        if (request.kind === 'whole') parts.onServed(held, session, served, true)
        else if (request.kind !== 'chunk' || request.index >= chunkCount(held.manifest))
          return refuse('frame-malformed')
        else {
          road.onGiven(request.index)
          const answered = answer(request.index)
          if (ahead >= CHUNKS_AHEAD || room.shared === 0) await answered
        }
      }
    } finally {
      end()
      news.stop()
      given.stop()
      stopped.abort()
      ended ??= refuse('stream-closed')
      await line
    }
  }
  return { tell, given: given.add, serve }
}

/** Gathers what comes for a moment, and tells of it together. */
const createNews = (tell: (chunks: readonly number[]) => void) => {
  let chunks: number[] = []
  let timer: NodeJS.Timeout | null = null
  const flush = (): void => {
    timer = null
    for (let at = 0; at < chunks.length; at += HAVE_CHUNKS_MAX) tell(chunks.slice(at, at + HAVE_CHUNKS_MAX))
    chunks = []
  }
  return {
    add: (index: number): void => {
      chunks.push(index)
      timer ??= setTimeout(flush, HAVE_AFTER_MS)
    },
    stop: (): void => {
      if (timer !== null) clearTimeout(timer)
    },
  }
}
