import { basename, resolve } from 'node:path'
import { isRefusal, LanyardError, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { FILE_AUTO_ACCEPT_BYTES, FILE_RETRY_MS } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { FileProgress } from '../events.ts'
import type { Sessions } from '../network/sessions.ts'
import type { Inbox, Message } from '../rooms/inbox.ts'
import type { FileStore } from '../store/files.ts'
import type { Fetched, WantedFile } from './fetch.ts'
import { buildManifest, decodeManifest, manifestBytes, manifestHash } from './manifest.ts'
import { toPlainName } from './name.ts'
import type { HeldFile } from './serve.ts'

/** Our files: what we offer, what we hold, what we are fetching. */
export type Shelf = {
  /**
   * Offers a file in a room. The file stays where it is, and is served from there.
   * @throws LanyardError `file-unreadable`, `file-changed`, `file-too-large`
   */
  offer(room: RoomId, path: string): Promise<RecordHash>
  /** Fetches the file of a message, now and again until it is whole. */
  want(id: RecordHash): Refusal | null
  /** A file message has come in: small files are fetched without being asked for. */
  offered(message: Message): void
  held(record: RecordHash): HeldFile | null
  /** Goes on with what was being fetched when the program ended. */
  resume(): void
  stop(): Promise<void>
}

export type ShelfParts = {
  readonly files: FileStore
  readonly inbox: Inbox
  readonly sessions: Sessions
  readonly random: Random
  /** The download folder. */
  readonly folder: string
  readonly send: (room: RoomId, content: MessageContent) => Promise<RecordHash>
  readonly fetch: (
    wanted: WantedFile,
    options: { onProgress: (bytes: number) => void; signal: AbortSignal },
  ) => Promise<Fetched | Refusal>
  readonly onProgress: (progress: FileProgress) => void
}

type FileContent = Extract<MessageContent, { kind: 'file' }>

export const createShelf = (parts: ShelfParts): Shelf => {
  const { files, inbox } = parts
  const stopping = new AbortController()
  const jobs = new Map<RecordHash, Promise<void>>()

  const fileOf = (id: RecordHash): { room: RoomId; content: FileContent } | null => {
    const message = inbox.get(id)
    return message?.content?.kind === 'file' ? { room: message.room, content: message.content } : null
  }

  /** Tries until the file is whole; between two tries it waits until somebody comes, or a little while. */
  const run = async (id: RecordHash, room: RoomId, content: FileContent): Promise<void> => {
    const { name, size } = content
    const tell = (progress: Partial<FileProgress> & Pick<FileProgress, 'state' | 'bytes'>): void =>
      parts.onProgress({ id, name, size, ...progress })
    let bytes = 0
    while (!stopping.signal.aborted && fileOf(id) !== null) {
      tell({ state: 'fetching', bytes })
      const outcome = await parts
        .fetch(
          { ...content, record: id },
          {
            signal: stopping.signal,
            onProgress: (now) => {
              bytes = now
              tell({ state: 'fetching', bytes })
            },
          },
        )
        .catch((error: unknown) => refusalOf(error))
      if (!isRefusal(outcome)) {
        // Of a message that is past its time by now nothing is noted any more; the file is the user's.
        if (fileOf(id) !== null) {
          files.put({ record: id, room, state: 'held', path: outcome.path, encoded: outcome.encoded })
        }
        tell({ state: 'whole', bytes: size, path: outcome.path })
        return
      }
      if (stopping.signal.aborted) return
      if (GIVEN_UP.has(outcome.code)) {
        files.remove(id)
        tell({ state: 'failed', bytes, refusal: outcome })
        return
      }
      tell({ state: 'waiting', bytes, refusal: outcome })
      await somebodyComes(parts.sessions, stopping.signal)
    }
  }

  const begin = (id: RecordHash, room: RoomId, content: FileContent): void => {
    if (jobs.has(id)) return
    jobs.set(
      id,
      run(id, room, content)
        .catch((error: unknown) =>
          parts.onProgress({
            id,
            name: content.name,
            size: content.size,
            state: 'failed',
            bytes: 0,
            refusal: refusalOf(error),
          }),
        )
        .finally(() => jobs.delete(id)),
    )
  }
  const want: Shelf['want'] = (id) => {
    const file = fileOf(id)
    if (file === null) return refuse('file-not-held', 'no such file message')
    const known = files.get(id)
    if (known?.state === 'held') {
      const { name, size } = file.content
      parts.onProgress({ id, name, size, state: 'whole', bytes: size, path: known.path })
      return null
    }
    files.put({ record: id, room: file.room, state: 'wanted', path: parts.folder, encoded: null })
    begin(id, file.room, file.content)
    return null
  }

  return {
    offer: async (room, path) => {
      const absolute = resolve(path)
      const manifest = await buildManifest(absolute, { signal: stopping.signal })
      if (isRefusal(manifest)) throw new LanyardError({ ...manifest, detail: manifest.detail ?? path })
      const key = parts.random.bytes(32)
      const hash = manifestHash(manifest)
      const name = toPlainName(basename(absolute))
      const content: MessageContent = {
        kind: 'file',
        name,
        size: manifest.size,
        type: typeOf(name),
        key,
        manifest: hash,
      }
      const record = await parts.send(room, content)
      const encoded = manifestBytes(manifest)
      files.put({ record, room, state: 'held', path: absolute, encoded })
      return record
    },
    want,
    offered: (message) => {
      if (message.content?.kind === 'file' && message.content.size <= FILE_AUTO_ACCEPT_BYTES) want(message.id)
    },
    held: (id) => {
      const known = files.get(id)
      if (known?.state !== 'held' || known.encoded === null) return null
      const file = fileOf(known.record)
      if (file === null) return null
      const manifest = decodeManifest(known.encoded, file.content)
      if (isRefusal(manifest)) return null
      const { path, room, encoded } = known
      const { key, name, size } = file.content
      const offer = { id, name, size }
      return { key, manifest, manifestHash: file.content.manifest, path, room, encoded, offer }
    },
    resume: () => {
      for (const { record, room } of files.wanted()) {
        const file = fileOf(record)
        if (file !== null) begin(record, room, file.content)
      }
    },
    stop: async () => {
      stopping.abort()
      await Promise.all(jobs.values())
    },
  }
}

// No other try will end otherwise.
const GIVEN_UP: ReadonlySet<string> = new Set(['file-name-unsafe', 'file-too-large', 'storage-failed'])

const somebodyComes = (sessions: Sessions, signal: AbortSignal): Promise<void> => {
  const { promise, resolve: wake } = Promise.withResolvers<void>()
  const end = sessions.onChange(({ kind }) => {
    if (kind === 'began') wake()
  })
  const timer = setTimeout(wake, FILE_RETRY_MS)
  const onAbort = (): void => wake()
  signal.addEventListener('abort', onAbort)
  return promise.finally(() => {
    end()
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  })
}

/** A hint for the screen; nothing is opened by it. */
const typeOf = (name: string): string =>
  TYPES[name.split('.').at(-1)?.toLowerCase() ?? ''] ?? 'application/octet-stream'

const TYPES: Readonly<Record<string, string>> = {
  txt: 'text/plain',
  md: 'text/markdown',
  pdf: 'application/pdf',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  zip: 'application/zip',
  mp4: 'video/mp4',
}
