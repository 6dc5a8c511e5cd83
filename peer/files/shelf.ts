import { rm } from 'node:fs/promises'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import type { FileProgress } from '../events.ts'
import type { Session } from '../network/sessions.ts'
import type { Inbox, Message } from '../rooms/inbox.ts'
import type { FileStore, KnownHolder, ShelvedFile } from '../store/files.ts'
import { type Holding, wholeHolding } from './holding.ts'
import { createJobs, type JobParts } from './job.ts'
import { discardLanding } from './landing.ts'
import { decodeManifest } from './manifest.ts'
import { type FileContent, makeOffer, type OfferParts } from './offer.ts'
import { type AcceptPolicy, isAccepted } from './policy.ts'

/** A file as it is listed. */
export type ListedFile = {
  readonly id: RecordHash
  readonly room: RoomId
  readonly user: UserName
  readonly name: string
  readonly size: number
  readonly type: string
  /** Of a folder: how many files are in it. */
  readonly files: number | null
  readonly state: ShelvedFile['state'] | 'fetching'
  readonly paused: boolean
  /** Bytes that are here, of one that is being fetched. */
  readonly bytes: number
  /** Of one that is held: where it is. */
  readonly path: string | null
  /** Who is known to have all of it, besides us. */
  readonly holders: readonly KnownHolder[]
}

/** Our files: what was offered to us, what we offer, what we hold, what we are fetching. */
export type Shelf = {
  /**
   * Offers a file, a folder or several in a room. They stay where they are, and are served from there.
   * @throws LanyardError as `makeOffer`
   */
  offer(room: RoomId, ...paths: readonly string[]): Promise<{ readonly id: RecordHash; readonly skipped: number }>
  /** Fetches what a message offers, now and again until it is whole; also one that was paused or declined. */
  want(id: RecordHash): Refusal | null
  /** Stops fetching or serving it, for as long as our user likes. */
  pause(id: RecordHash): Promise<Refusal | null>
  /** Goes on fetching or serving. */
  resume(id: RecordHash): Refusal | null
  /** Stops fetching for good, and takes away what has come; what is offered by hand is not wanted. */
  decline(id: RecordHash): Promise<Refusal | null>
  /** Takes the copy that was fetched off this disk, and serves it no more; of our user's own it only ends the serving. */
  remove(id: RecordHash): Promise<Refusal | null>
  list(room?: RoomId): ListedFile[]
  /** A file message has come in: what the policy takes is fetched without being asked for. */
  offered(message: Message): void
  /** The message is taken back, or past its time: it is neither fetched nor served any more. */
  gone(id: RecordHash): Promise<void>
  /** What is served for a message, or why nothing is. */
  find(id: RecordHash): Holding | Refusal
  /** Whether what was found is still to be served. */
  mayServe(id: RecordHash): Refusal | null
  /** Somebody asks for it: whoever fetches it as well will soon have some of it. */
  asked(id: RecordHash, session: Session): void
  /** Somebody has all of it. */
  learnHolder(id: RecordHash, holder: KnownHolder): void
  /** Goes on with what was being fetched when the program ended. */
  start(): void
  stop(): Promise<void>
}

export type ShelfParts = Pick<OfferParts, 'random'> &
  Pick<JobParts, 'fetch' | 'quotaBytes'> & {
    readonly files: FileStore
    readonly inbox: Pick<Inbox, 'get'>
    /** The folder that files go to from now on. */
    readonly folder: () => string
    readonly policy: AcceptPolicy
    readonly send: (room: RoomId, content: FileContent) => Promise<RecordHash>
    readonly onProgress: (progress: FileProgress) => void
  }

export const createShelf = (parts: ShelfParts): Shelf => {
  const { files, inbox } = parts
  const stopping = new AbortController()
  /** What is being served, so that it is not read from the database for every road. */
  const serving = new Map<RecordHash, Holding>()
  const messageOf = (id: RecordHash): { readonly message: Message; readonly content: FileContent } | null => {
    const message = inbox.get(id)
    return message?.content?.kind === 'file' ? { message, content: message.content } : null
  }
  const contentOf = ({ record }: ShelvedFile): FileContent | null => messageOf(record)?.content ?? null
  const jobs = createJobs({ ...parts, contentOf, signal: stopping.signal, onWhole: (id) => void serving.delete(id) })

  const tell = (
    id: RecordHash,
    state: FileProgress['state'],
    bytes: number,
    rest: Partial<FileProgress> = {},
  ): void => {
    const content = messageOf(id)?.content
    if (content !== undefined) parts.onProgress({ id, name: content.name, size: content.size, state, bytes, ...rest })
  }
  /** The row of a message, also when it came before there was one. */
  const rowOf = (id: RecordHash): ShelvedFile | null => {
    const known = files.get(id)
    const found = messageOf(id)
    if (known !== null || found === null) return found === null ? null : known
    const fresh = { record: id, room: found.message.room, state: 'offered', paused: false, own: false } as const
    return { ...fresh, size: found.content.size, path: parts.folder(), parts: [], encoded: null }
  }
  const want = (id: RecordHash): Refusal | null => {
    const row = rowOf(id)
    if (row === null) return refuse('file-not-held', 'no such file message')
    if (row.state === 'held') {
      if (row.paused) files.put({ ...row, paused: false })
      tell(id, 'whole', row.size, { path: row.path, type: messageOf(id)?.content.type ?? '' })
      return null
    }
    const path = row.state === 'wanted' ? row.path : parts.folder()
    const wanted: ShelvedFile = { ...row, path, state: 'wanted', paused: false }
    files.put(wanted)
    jobs.begin(wanted)
    return null
  }
  const find = (id: RecordHash): Holding | Refusal => {
    const known = jobs.arriving(id) ?? serving.get(id)
    if (known !== undefined && known !== null) return known
    const row = files.get(id)
    const found = messageOf(id)
    if (found === null && inbox.get(id)?.deleted === true) return refuse('file-withdrawn')
    if (row?.state !== 'held' || row.encoded === null || found === null) return refuse('file-not-held')
    if (row.paused) return refuse('file-paused')
    const { key, name, size, manifest: manifestHash } = found.content
    const manifest = decodeManifest(row.encoded, found.content)
    if (isRefusal(manifest)) return manifest
    const offer = { id, name, size }
    const holding = wholeHolding(
      { key, manifest, manifestHash, room: row.room, encoded: row.encoded, offer },
      row.parts,
    )
    serving.set(id, holding)
    return holding
  }
  /** Ends what is under way, with nothing left of it. */
  const drop = async (id: RecordHash): Promise<void> => {
    serving.delete(id)
    await jobs.end(id)
    const row = files.get(id)
    if (row?.state === 'wanted') await discardLanding(row.path, id)
  }

  return {
    offer: async (room, ...paths) => {
      const options = { files, contentOf, random: parts.random, onProgress: parts.onProgress, signal: stopping.signal }
      const { content, shelved, skipped } = await makeOffer(options, paths)
      const record = await parts.send(room, content)
      files.put({ ...shelved, record, room, state: 'held', paused: false, own: true })
      return { id: record, skipped }
    },
    want,
    pause: async (id) => {
      const row = rowOf(id)
      if (row === null || row.state === 'offered' || row.state === 'declined') return refuse('file-not-held')
      files.put({ ...row, paused: true })
      const bytes = jobs.bytesOf(id)
      serving.delete(id)
      await jobs.end(id)
      tell(id, 'paused', row.state === 'held' ? row.size : bytes)
      return null
    },
    resume: want,
    decline: async (id) => {
      const row = rowOf(id)
      if (row === null || row.state === 'held') return refuse('file-not-held', 'it is not on its way')
      await drop(id)
      files.put({ ...row, state: 'declined', paused: false, encoded: null })
      tell(id, 'cancelled', 0)
      return null
    },
    remove: async (id) => {
      const row = rowOf(id)
      if (row?.state !== 'held') return refuse('file-not-held')
      serving.delete(id)
      if (!row.own) await rm(row.path, { recursive: true, force: true })
      files.put({ ...row, state: 'declined', own: false, path: parts.folder(), parts: [], encoded: null })
      return null
    },
    list: (room) =>
      files.all().flatMap((row) => {
        const found = room === undefined || row.room === room ? messageOf(row.record) : null
        if (found === null) return []
        const { name, size, type, files: count } = found.content
        const { record: id, state, paused, path } = row
        return {
          id,
          room: row.room,
          user: found.message.user,
          name,
          size,
          type,
          files: count ?? null,
          state: state === 'wanted' && jobs.has(id) ? 'fetching' : state,
          paused,
          bytes: state === 'held' ? size : jobs.bytesOf(id),
          path: state === 'held' ? path : null,
          holders: files.holders(id),
        }
      }),
    offered: ({ id, content, user, own }) => {
      if (content?.kind !== 'file') return
      const row = files.get(id) ?? rowOf(id)
      if (row === null || row.state !== 'offered') return
      files.put(row)
      if (isAccepted(parts.policy, { size: content.size, user, own })) want(id)
    },
    gone: async (id) => {
      // What was noted of it may be erased already, together with the message.
      const row = files.get(id)
      const folder = jobs.folderOf(id) ?? (row?.state === 'wanted' ? row.path : null)
      serving.delete(id)
      await jobs.end(id)
      files.remove(id)
      if (folder === null) return
      await discardLanding(folder, id)
      const refusal = refuse('file-withdrawn')
      parts.onProgress({ id, name: '', size: row?.size ?? 0, state: 'cancelled', bytes: 0, refusal })
    },
    find,
    mayServe: (id) => {
      const found = find(id)
      return isRefusal(found) ? found : null
    },
    asked: jobs.asked,
    learnHolder: (id, holder) => files.addHolder(id, holder),
    start: () => {
      for (const row of files.all()) if (row.state === 'wanted' && !row.paused) jobs.begin(row)
    },
    stop: async () => {
      stopping.abort()
      await jobs.stop()
    },
  }
}
