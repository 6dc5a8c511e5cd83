import type { Refusal } from '../shared/errors.ts'
import type { PeerId, RecordHash, RoomId, UserName } from '../shared/ids.ts'
import type { PresenceState } from '../shared/wire/live.ts'
import type { Message } from './rooms/inbox.ts'
import type { UnreadCount } from './rooms/unread.ts'

/** What a running peer tells: the screen, the command line and bots live on these. */
export type PeerEvent =
  /** A message of somebody else can be read. */
  | { readonly kind: 'message'; readonly message: Message }
  /** Our user has said something at this device: news to its other screens. */
  | { readonly kind: 'said'; readonly message: Message }
  | { readonly kind: 'session'; readonly change: 'began' | 'ended'; readonly user: UserName; readonly device: PeerId }
  /** Whether somebody sits at a device that is here; told when its session begins, and when it changes. */
  | { readonly kind: 'presence'; readonly user: UserName; readonly device: PeerId; readonly state: PresenceState }
  /** Somebody writes something in a room; `until`: when that ends unless it is told again, milliseconds since the epoch. */
  | {
      readonly kind: 'typing'
      readonly room: RoomId
      readonly user: UserName
      readonly device: PeerId
      readonly until: number
    }
  /** A connection came to nothing, or a peer is put off, and why. */
  | { readonly kind: 'refused'; readonly device: PeerId; readonly refusal: Refusal }
  /** The CA has been reached. */
  | { readonly kind: 'ca-sighted' }
  /** We have a new certificate; `until`: its end, milliseconds since the epoch. */
  | { readonly kind: 'renewed'; readonly until: number }
  /** The CA has a new root; `until`: how long the one before still counts, milliseconds since the epoch. */
  | { readonly kind: 'rolled-over'; readonly root: number; readonly until: number }
  /** A newer revocation list is in force; `cut`: whose sessions it ended. */
  | { readonly kind: 'revocations'; readonly number: number; readonly cut: readonly UserName[]; readonly self: boolean }
  /** The revocation list is too old, or from the future: who was revoked since is not known here. */
  | { readonly kind: 'crl-stale'; readonly refusal: Refusal }
  /** A member, or somebody in a member's name, sent what must not be; it was not taken. */
  | { readonly kind: 'foul'; readonly refusal: Refusal; readonly user: UserName | null }
  /** A user who was compared in person has a device whose key was not: `comparisons` has all of them. */
  | { readonly kind: 'device-new'; readonly user: UserName; readonly device: PeerId }
  /** Another machine writes under the key of this device: a backup was restored there, or the key was stolen. */
  | { readonly kind: 'device-twice' }
  /** Members, admins or settings of a room have changed, or what counts in it. */
  | { readonly kind: 'room'; readonly room: RoomId }
  /** A member says that our user was removed from a room, of which this device has not heard: it gives us nothing of it. */
  | { readonly kind: 'removed'; readonly room: RoomId; readonly device: PeerId }
  /** More of our own records are held by a device. */
  | { readonly kind: 'delivered'; readonly room: RoomId; readonly device: PeerId }
  /** A user has read more of what our user said in a room. */
  | { readonly kind: 'read'; readonly room: RoomId; readonly user: UserName }
  /** A message is not what it was: edited, taken back, or with other reactions. */
  | { readonly kind: 'updated'; readonly message: Message }
  /** Messages are past their room's retention, and erased. */
  | { readonly kind: 'expired'; readonly room: RoomId; readonly ids: readonly RecordHash[] }
  /** What our user has yet to read in a room, here or on another device, has changed. */
  | { readonly kind: 'unread'; readonly room: RoomId; readonly unread: UnreadCount }
  | { readonly kind: 'file'; readonly progress: FileProgress }
  /** How the bytes of a file will come from a device: by TLS, or by its libp2p connection, and then why. */
  | {
      readonly kind: 'road'
      readonly user: UserName
      readonly device: PeerId
      readonly road: 'tls' | 'stream'
      readonly refusal?: Refusal | null
    }

export type FileProgress = {
  /** The message that offers it; '' while there is none. */
  readonly id: RecordHash | ''
  readonly name: string
  /** `hashing`: before it is offered. `dropped`: one holder is left alone, and why; the others go on. */
  readonly state:
    | 'hashing'
    | 'waiting'
    | 'fetching'
    | 'paused'
    | 'cancelled'
    | 'dropped'
    | 'serving'
    | 'served'
    | 'whole'
    | 'failed'
  /** Bytes that are here and checked (or, when serving, sent), of `size`. */
  readonly bytes: number
  readonly size: number
  /** Of a whole file: where it is. */
  readonly path?: string
  /** … and what it says that it is. */
  readonly type?: string
  readonly refusal?: Refusal
  /** When serving or served: to whom; when dropped: whom. */
  readonly device?: PeerId
}

export type Events = {
  emit(event: PeerEvent): void
  /** @returns a function that ends the listening */
  on(listener: (event: PeerEvent) => void): () => void
}

export const createEvents = (): Events => {
  const listeners = new Set<(event: PeerEvent) => void>()
  return {
    emit: (event) => {
      for (const listener of listeners) listener(event)
    },
    on: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
