import { isRefusal, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import type { RecordHash } from '../../shared/ids.ts'
import { FILE_RETRY_MS } from '../../shared/limits.ts'
import type { FileProgress } from '../events.ts'
import type { Session } from '../network/sessions.ts'
import type { FileStore, ShelvedFile } from '../store/files.ts'
import type { Fetching, FetchParts } from './fetch.ts'
import type { Arriving } from './holding.ts'
import { decodeManifest } from './manifest.ts'
import type { FileContent } from './offer.ts'

/** What is being fetched: one job a file, tried until it is whole. */
export type Jobs = {
  begin(row: ShelvedFile): void
  /** Ends one; what has come stays on the disk. */
  end(id: RecordHash): Promise<void>
  has(id: RecordHash): boolean
  bytesOf(id: RecordHash): number
  /** Where one goes; null for none. */
  folderOf(id: RecordHash): string | null
  /** As far as it is here, for others. */
  arriving(id: RecordHash): Arriving | null
  asked(id: RecordHash, session: Session): void
  stop(): Promise<void>
}

/** What a job hears of its fetch. */
export type FetchEvents = Omit<FetchParts, 'sessions' | 'openFileRoad' | 'clock' | 'pace' | 'onFoul' | 'freeBytes'>

export type JobParts = {
  readonly files: FileStore
  readonly contentOf: (row: ShelvedFile) => FileContent | null
  readonly fetch: (fetching: Fetching, events: FetchEvents) => Promise<string | Refusal>
  /** Bytes that all fetched files together may take; null: as many as the disk has. */
  readonly quotaBytes: number | null
  readonly onProgress: (progress: FileProgress) => void
  readonly onWhole: (id: RecordHash) => void
  readonly signal: AbortSignal
}

type Job = {
  readonly stop: AbortController
  readonly done: Promise<void>
  readonly listeners: Set<(session: Session) => void>
  readonly folder: string
  arriving: Arriving | null
  bytes: number
}

export const createJobs = (parts: JobParts): Jobs => {
  const { files } = parts
  const jobs = new Map<RecordHash, Job>()

  const overQuota = ({ record, size }: ShelvedFile): Refusal | null => {
    if (parts.quotaBytes === null) return null
    const here = files.all().filter(({ record: other, own, state }) => other !== record && !own && state === 'held')
    const taken = here.reduce((sum, file) => sum + file.size, 0)
    const left = Math.max(0, parts.quotaBytes - taken)
    return size > left ? refuse('file-quota', `${size} bytes, ${left} are left`) : null
  }

  const attempt = (row: ShelvedFile, content: FileContent, events: FetchEvents): Promise<string | Refusal> =>
    parts.fetch(fetchingOf(row, content), events).catch((error: unknown) => refusalOf(error))

  /** Tries until the file is whole; between two tries that failed here it waits a little while. */
  const run = async (row: ShelvedFile, job: Job, signal: AbortSignal): Promise<void> => {
    const { record: id, path: folder } = row
    const content = parts.contentOf(row)
    if (content === null) return
    const { name, size, type } = content
    const tell = (state: FileProgress['state'], rest: Partial<FileProgress> = {}): void => {
      if (!signal.aborted || state === 'whole') parts.onProgress({ id, name, size, state, bytes: job.bytes, ...rest })
    }
    const events: FetchEvents = {
      folder,
      signal,
      onAsked: (listener) => {
        job.listeners.add(listener)
        return () => job.listeners.delete(listener)
      },
      onProgress: (bytes) => {
        job.bytes = bytes
        tell('fetching')
      },
      onWaiting: (refusal) => tell('waiting', { refusal }),
      onDropped: (refusal, device) => tell('dropped', { refusal, device }),
      onManifest: (encoded) => files.put({ ...(files.get(id) ?? row), encoded }),
      onArriving: (arriving) => {
        job.arriving = arriving
      },
      onNamed: ({ path, parts: landed }) => {
        // Of a message that is past its time by now nothing is noted any more; the file is the user's.
        if (parts.contentOf(row) === null) return
        const now = files.get(id) ?? row
        files.put({ ...now, state: 'held', paused: false, path, parts: landed })
      },
    }
    while (!signal.aborted) {
      tell('fetching')
      const outcome = overQuota(row) ?? (await attempt(files.get(id) ?? row, content, events))
      job.arriving = null
      if (!isRefusal(outcome)) {
        job.bytes = size
        parts.onWhole(id)
        tell('whole', { path: outcome, type })
        return
      }
      if (signal.aborted) return
      if (GIVEN_UP.has(outcome.code)) {
        files.put({ ...(files.get(id) ?? row), state: 'offered' })
        tell('failed', { refusal: outcome })
        return
      }
      tell('waiting', { refusal: outcome })
      await aWhile(signal)
    }
  }

  const end = async (id: RecordHash): Promise<void> => {
    const job = jobs.get(id)
    job?.stop.abort()
    await job?.done
  }
  return {
    begin: (row) => {
      const id = row.record
      if (jobs.has(id)) return
      const stop = new AbortController()
      const { promise, resolve } = Promise.withResolvers<void>()
      const job: Job = { stop, done: promise, listeners: new Set(), folder: row.path, arriving: null, bytes: 0 }
      jobs.set(id, job)
      run(row, job, AbortSignal.any([stop.signal, parts.signal]))
        .catch((error: unknown) => {
          const name = parts.contentOf(row)?.name ?? ''
          parts.onProgress({ id, name, size: row.size, state: 'failed', bytes: job.bytes, refusal: refusalOf(error) })
        })
        .finally(() => {
          jobs.delete(id)
          resolve()
        })
    },
    end,
    has: (id) => jobs.has(id),
    bytesOf: (id) => jobs.get(id)?.bytes ?? 0,
    folderOf: (id) => jobs.get(id)?.folder ?? null,
    arriving: (id) => jobs.get(id)?.arriving ?? null,
    asked: (id, session) => {
      for (const listener of jobs.get(id)?.listeners ?? []) listener(session)
    },
    stop: async () => {
      await Promise.all([...jobs.keys()].map(end))
    },
  }
}

const fetchingOf = ({ record, room, encoded }: ShelvedFile, content: FileContent): Fetching => {
  const { name, size, key, manifest, files } = content
  const decoded = encoded === null ? null : decodeManifest(encoded, content)
  const known = encoded === null || decoded === null || isRefusal(decoded) ? null : { manifest: decoded, encoded }
  return { wanted: { record, name, size, files, key, manifest }, room, known }
}

// No other try will end otherwise.
const GIVEN_UP: ReadonlySet<string> = new Set(['file-name-unsafe', 'file-too-large', 'storage-failed'])

/** A disk that was full may have room again, and a quota too. */
const aWhile = (signal: AbortSignal): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = (): void => resolve()
  const timer = setTimeout(wake, FILE_RETRY_MS)
  signal.addEventListener('abort', wake)
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', wake)
  })
}
