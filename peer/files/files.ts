import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import { fault, type Refusal, refuse } from '../../shared/errors.ts'
import type { NetworkId, PeerId, RecordHash, RoomId } from '../../shared/ids.ts'
import type { Node } from '../../shared/network/node.ts'
import type { Random } from '../../shared/random.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { FileProgress, PeerEvent } from '../events.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import type { Inbox } from '../rooms/inbox.ts'
import type { FileStore } from '../store/files.ts'
import { type BulkParts, startBulk } from './bulk/bulk.ts'
import { fetchFile } from './fetch.ts'
import { createPace } from './pace.ts'
import { type AcceptPolicy, DEFAULT_POLICY } from './policy.ts'
import { startFileRoads } from './road.ts'
import { createServing } from './serve.ts'
import { createShelf, type ListedFile } from './shelf.ts'

/** What people do with files. An id is that of the message that offers one. */
export type Files = {
  /**
   * Offers a file, a folder, or several as one folder, in a room; they are served from where they are. `skipped`: links and
   * the like, which stay here.
   * @throws LanyardError `file-unreadable`, `file-changed`, `file-too-large`, `file-too-many`, `file-name-unsafe`, `storage-failed`
   */
  offer(room: RoomId, ...paths: readonly string[]): Promise<{ readonly id: RecordHash; readonly skipped: number }>
  /** Fetches what a message offers; progress comes as events. `file-not-held`: it offers nothing. */
  fetch(id: RecordHash): Refusal | null
  /** Stops fetching, or serving, until it is resumed; also over a restart. */
  pause(id: RecordHash): Promise<Refusal | null>
  resume(id: RecordHash): Refusal | null
  /** Of others' files: declines it, and takes away what has come. Of ours: takes the offer back, and all stop serving it. */
  cancel(id: RecordHash): Promise<Refusal | null>
  /** Deletes what was fetched from this disk. Of our own it only ends the serving from here. */
  remove(id: RecordHash): Promise<Refusal | null>
  /** What was offered in a room, or in all of them, the oldest first. */
  list(room?: RoomId): ListedFile[]
  /** Where files go, and where relative paths begin. */
  folder(): string
  /** Another folder, from the next file on. @throws LanyardError `file-unreadable` for what is no folder */
  setFolder(path: string): Promise<string>
}

/** What a home has settled about files. */
export type FileOptions = {
  readonly accept?: AcceptPolicy | undefined
  /** In each direction, all files together; as fast as it goes unless given. */
  readonly bytesPerSecond?: number | undefined
  /** That all fetched files together may take. */
  readonly quotaBytes?: number | undefined
  /** Told of another folder, for the next start. */
  readonly onFolder?: ((path: string) => Promise<void>) | undefined
  /** Free bytes of a folder's disk; the system's answer unless given. */
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined
}

export type FilesParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  /** What proves on the TLS road who each side is. */
  readonly papers: Pick<BulkParts, 'key' | 'shown' | 'verify'>
  readonly store: FileStore
  readonly inbox: Pick<Inbox, 'get'>
  readonly compose: { send(room: RoomId, content: MessageContent): Promise<RecordHash> }
  readonly takeBack: (id: RecordHash) => Promise<void>
  readonly mayFetch: (room: RoomId, session: Session, record: RecordHash) => Refusal | null
  readonly downloads: string
  readonly options: FileOptions
  /** Only goes on; milliseconds. */
  readonly clock: Clock
  readonly random: Random
  readonly emit: (event: PeerEvent) => void
  readonly onFoul: (refusal: Refusal, holder: PeerId) => void
}

/** The files of a device, and the roads on which they come and go. */
export type RunningFiles = {
  readonly face: Files
  /** What happens in the rooms. */
  heard(event: PeerEvent): void
  /** Goes on with what was being fetched when the program ended. */
  start(): void
  stop(): Promise<void>
}

export const startFiles = async (parts: FilesParts): Promise<RunningFiles> => {
  const { sessions, inbox, clock, random, options, onFoul } = parts
  const { bytesPerSecond = null, quotaBytes = null, freeBytes, accept = DEFAULT_POLICY } = options
  const onProgress = (progress: FileProgress): void => parts.emit({ kind: 'file', progress })
  const [up, down] = [createPace(bytesPerSecond, clock), createPace(bytesPerSecond, clock)]
  let folder = resolve(parts.downloads)

  const shelf = createShelf({
    files: parts.store,
    inbox,
    random,
    folder: () => folder,
    policy: accept,
    quotaBytes,
    send: (room, content) => parts.compose.send(room, content),
    fetch: (fetching, events) =>
      fetchFile({ sessions, ...roads, clock, pace: down, onFoul, freeBytes, ...events }, fetching),
    onProgress,
  })
  const converse = createServing({
    find: shelf.find,
    mayServe: shelf.mayServe,
    mayFetch: parts.mayFetch,
    onWanted: shelf.asked,
    onServed: ({ offer }, { device }, bytes, whole) => {
      if (whole) shelf.learnHolder(offer.id, { device: device.peerId, user: device.user })
      onProgress({ ...offer, state: whole ? 'served' : 'serving', bytes, device: device.peerId })
    },
    pace: up,
  })
  const { node, network } = parts
  const bulk = await startBulk({
    node,
    network,
    sessions,
    ...parts.papers,
    converse,
    onTurnedAway: (refusal, device) => {
      const user = device === null ? null : (sessions.of(device)?.device.user ?? null)
      parts.emit({ kind: 'foul', refusal, user })
    },
    monotonic: clock,
    random,
  })
  const roads = await startFileRoads({
    node,
    network,
    sessions,
    converse,
    bulk,
    onRoad: ({ device }, taken) => parts.emit({ kind: 'road', user: device.user, device: device.peerId, ...taken }),
    monotonic: clock,
  })

  return {
    face: {
      offer: shelf.offer,
      fetch: shelf.want,
      pause: shelf.pause,
      resume: shelf.resume,
      cancel: async (id) => {
        const message = inbox.get(id)
        if (message?.content?.kind !== 'file') return refuse('file-not-held', 'no such file message')
        if (!message.own) return await shelf.decline(id)
        await parts.takeBack(id)
        await shelf.gone(id)
        return null
      },
      remove: shelf.remove,
      list: shelf.list,
      folder: () => folder,
      setFolder: async (path) => {
        const there = resolve(folder, path)
        const stats = await stat(there).catch(() => null)
        if (stats?.isDirectory() !== true) throw fault('file-unreadable', `${there} is not a folder`)
        folder = there
        await options.onFolder?.(there)
        return there
      },
    },
    heard: (event) => {
      if (event.kind === 'message') shelf.offered(event.message)
      else if (event.kind === 'updated' && event.message.deleted) void shelf.gone(event.message.id)
      else if (event.kind === 'expired') for (const id of event.ids) void shelf.gone(id)
    },
    start: shelf.start,
    stop: async () => {
      await shelf.stop()
      await bulk.stop()
    },
  }
}
