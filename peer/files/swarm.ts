import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refusalOf, refuse, refusedThere } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { CHUNK_PATIENCE_MS, FILE_RETRY_MS, SWARM_TICK_MS } from '../../shared/limits.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import { hasBit } from './bitmap.ts'
import { openChunk } from './chunk.ts'
import { chunkCount, chunkLength } from './extent.ts'
import type { Arriving } from './holding.ts'
import { type Answered, type KnockParts, knock, type WantedFile } from './knock.ts'
import type { Landing } from './landing.ts'
import type { Pace } from './pace.ts'
import {
  chunkLanded,
  chunksGiven,
  holderCame,
  holderHas,
  holderLeft,
  isLie,
  mayReturn,
  nextRequests,
  type Request,
  requestFailed,
  stalled,
  startTransfer,
  type Transfer,
  verdictOf,
} from './transfer.ts'

export type SwarmParts = KnockParts & {
  readonly sessions: Pick<Sessions, 'list' | 'onChange'>
  /** Tells of members who ask us for the file: they will soon have some of it. @returns a function that ends it */
  readonly onAsked: (listener: (session: Session) => void) => () => void
  /** Only goes on; milliseconds. */
  readonly clock: Clock
  readonly pace: Pace
  /** @param bytes that are here and checked */
  readonly onProgress: (bytes: number) => void
  /** Nobody who is present has what is missing, and why the last one went; null: it goes on. */
  readonly onWaiting: (refusal: Refusal) => void
  /** A holder is left alone, and why. */
  readonly onDropped: (refusal: Refusal, holder: PeerId) => void
}

/** All the roads on which one file comes. */
export type Swarm = AsyncDisposable & {
  /** Resolves when all of it is on the disk, or with why it can't go on here; waits as long as nobody has it. */
  run(): Promise<'whole' | Refusal>
  /** Tells the holders that nothing more is wanted. */
  thank(): Promise<void>
}

/** @param first holders that have answered already */
export const createSwarm = (
  parts: SwarmParts,
  wanted: WantedFile,
  arriving: Arriving,
  landing: Landing,
  first: readonly Answered[],
): Swarm => {
  const { manifest, encoded } = arriving
  const chunks = chunkCount(manifest)
  const roads = new Map<PeerId, Frames>()
  /** What was asked on each road and has not come by it; also what came by an earlier one while it was on its way. */
  const owed = new WeakMap<Frames, Set<number>>()
  const knocking = new Set<PeerId>()
  const over = Promise.withResolvers<'whole' | Refusal>()
  let state: Transfer = startTransfer(chunks, landing.landed, seatOf(first))
  let bytes = 0
  for (let index = 0; index < chunks; index++) if (hasBit(landing.landed, index)) bytes += chunkLength(manifest, index)
  let told: string | null = null

  const tellWaiting = (refusal: Refusal): void => {
    if (told === refusal.code) return
    told = refusal.code
    parts.onWaiting(refusal)
  }
  const settle = (): void => {
    const verdict = verdictOf(state)
    if (verdict === 'whole') over.resolve('whole')
    else if (verdict === 'waiting') tellWaiting(state.reason ?? refuse('file-not-held', 'nobody here has the rest'))
    else if (isRefusal(verdict) && knocking.size === 0) tellWaiting(verdict)
  }
  const askMore = (): void => {
    const { next, requests } = nextRequests(state, parts.clock.now())
    state = next
    for (const request of requests) {
      const frames = roads.get(request.holder)
      if (frames === undefined) continue
      owed.get(frames)?.add(request.index)
      frames.send(fileRequestCodec.encode({ kind: 'chunk', index: request.index })).catch((error: unknown) => {
        // News of a road that is over must not end the next one.
        if (roads.get(request.holder) === frames) lose(request.holder, refusalOf(error))
      })
    }
    settle()
  }
  /** A road is over: what was asked on it is asked of others. */
  const lose = (peer: PeerId, reason: Refusal): void => {
    const frames = roads.get(peer)
    if (frames === undefined) return
    roads.delete(peer)
    frames.abort(reason.code)
    const asked = state.flights.find(({ holder }) => holder === peer)
    state = asked === undefined ? holderLeft(state, peer) : requestFailed(state, asked, reason)
    if (isLie(reason)) parts.onFoul(reason, peer)
    if (asked !== undefined || isLie(reason)) parts.onDropped(reason, peer)
    const known = state.holders.get(peer)
    const session = parts.sessions.list().find(({ device }) => device.peerId === peer)
    if (asked !== undefined && known !== undefined && mayReturn(known) && session !== undefined) reach(session)
    askMore()
  }
  const take = (answered: Answered): void => {
    const { peer, frames } = answered
    if (roads.has(peer) || state.holders.get(peer)?.place === 'out') {
      frames.abort('surplus')
      return
    }
    roads.set(peer, frames)
    owed.set(frames, new Set())
    state = holderCame(state, peer, answered.chunks, parts.clock.now())
    told = null
    void listen(peer, frames).catch((error: unknown) => over.resolve(refusalOf(error)))
    askMore()
  }
  const reach = (session: Session): void => {
    const peer = session.device.peerId
    if (roads.has(peer) || knocking.has(peer) || state.holders.get(peer)?.place === 'out') return
    knocking.add(peer)
    void knock(parts, wanted, session, { manifest, encoded }).then((answered) => {
      knocking.delete(peer)
      if (!isRefusal(answered)) take(answered)
      else {
        if (answered.code !== 'file-not-held' && !parts.signal.aborted) state = { ...state, reason: answered }
        settle()
      }
    })
  }

  /** Each holder's answers come in the order of its requests. */
  const listen = async (peer: PeerId, frames: Frames): Promise<void> => {
    /** The disk takes one chunk while the next is opened. */
    const writing: Promise<boolean>[] = []
    while (roads.get(peer) === frames) {
      const answer = await receive(frames)
      if (roads.get(peer) !== frames) return
      if (isRefusal(answer)) {
        // Nothing was asked of it for so long: it is listened to on.
        const oldest = state.flights.find(({ holder }) => holder === peer)?.at ?? Number.POSITIVE_INFINITY
        if (answer.code === 'too-late' && parts.clock.now() - oldest < CHUNK_PATIENCE_MS) continue
        lose(peer, answer)
        return
      }
      if (answer.kind !== 'chunk') {
        hear(peer, answer)
        continue
      }
      const request = { index: answer.index, holder: peer }
      writing.push(land(request, answer, frames))
      if (writing.length > WRITES_AHEAD && !(await writing.shift())) return
      await parts.pace.take(chunkLength(manifest, request.index), parts.signal)
    }
  }
  const hear = (peer: PeerId, { kind, chunks: indexes }: News): void => {
    if (kind === 'have') state = holderHas(state, peer, indexes)
    else state = chunksGiven(state, indexes, parts.clock.now())
    askMore()
  }
  /** @returns whether the holder goes on */
  const land = async (request: Request, answer: Chunk, frames: Frames): Promise<boolean> => {
    const asked = owed.get(frames)?.delete(request.index) === true
    // Opened where it lies: that memory is free for the next one once the disk has it.
    const chunk = asked
      ? openChunk(arriving, request.index, answer, answer.ciphertext)
      : refuse('wrong-order', 'not asked for')
    if (isRefusal(chunk)) {
      if (roads.get(request.holder) === frames) lose(request.holder, chunk)
      return false
    }
    if (!hasBit(state.landed, request.index)) {
      const problem = await landing.write(request.index, chunk).catch(refusalOf)
      if (problem !== undefined) {
        over.resolve(problem)
        return false
      }
      if (!hasBit(state.landed, request.index)) {
        bytes += chunk.byteLength
        arriving.came(request.index)
      }
    }
    frames.recycle(chunk)
    state = chunkLanded(state, request, parts.clock.now())
    told = null
    parts.onProgress(bytes)
    askMore()
    return true
  }

  const reachAll = (): void => {
    for (const session of parts.sessions.list()) reach(session)
  }
  let ticks = 0
  const tick = (): void => {
    for (const { holder } of stalled(state, parts.clock.now())) lose(holder, refuse('file-holder-slow'))
    ticks++
    if (verdictOf(state) !== 'going' && (ticks * SWARM_TICK_MS) % FILE_RETRY_MS === 0) reachAll()
    askMore() // the end may have come to where a chunk is asked for twice
  }

  return {
    run: async () => {
      parts.onProgress(bytes)
      const onAbort = (): void => over.resolve(refuse('stream-closed', 'stopped'))
      parts.signal.addEventListener('abort', onAbort)
      if (parts.signal.aborted) onAbort()
      const timer = setInterval(tick, SWARM_TICK_MS)
      const ends = [
        parts.onAsked(reach),
        parts.sessions.onChange(({ kind, session }) => {
          if (kind === 'began') reach(session)
        }),
      ]
      for (const answered of first) take(answered)
      reachAll()
      settle()
      try {
        return await over.promise
      } finally {
        parts.signal.removeEventListener('abort', onAbort)
        clearInterval(timer)
        for (const end of ends) end()
      }
    },
    thank: async () => {
      const thanks = fileRequestCodec.encode({ kind: 'whole' })
      await Promise.allSettled([...roads.values()].map((frames) => frames.send(thanks)))
    },
    [Symbol.asyncDispose]: async () => {
      const all = [...roads.values()]
      roads.clear()
      // What is still on its way is read by nobody: in good order it would wait for that.
      if (state.left > 0 || state.flights.length > 0) for (const frames of all) frames.abort('stopped')
      else await Promise.all(all.map((frames) => frames.close()))
    },
  }
}

/** With the one who has everything, whom all begin with; it is there that we must not ask for what others ask for. */
const seatOf = (answers: readonly Answered[]): number =>
  (answers.find(({ chunks }) => chunks === null) ?? answers[0])?.seat ?? 0

const WRITES_AHEAD = 2 // chunks of one holder that the disk has not yet taken

type Chunk = { readonly index: number; readonly tag: Uint8Array; readonly ciphertext: Uint8Array }
type News = { readonly kind: 'have' | 'given'; readonly chunks: readonly number[] }

const receive = async (frames: Frames): Promise<(Chunk & { readonly kind: 'chunk' }) | News | Refusal> => {
  const head = await frames.receive(CHUNK_PATIENCE_MS)
  const reply = isRefusal(head) ? head : fileReplyCodec.decode(head)
  if (isRefusal(reply)) return reply
  if (reply.kind === 'refused') return refusedThere(reply.code)
  if (reply.kind === 'have' || reply.kind === 'given') return reply
  if (reply.kind !== 'sealed') return refuse('wrong-order', reply.kind)
  const ciphertext = await frames.receive(CHUNK_PATIENCE_MS)
  return isRefusal(ciphertext) ? ciphertext : { kind: 'chunk', index: reply.index, tag: reply.tag, ciphertext }
}
