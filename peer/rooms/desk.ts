import { fault } from '../../shared/errors.ts'
import type { RoomId, UserName } from '../../shared/ids.ts'
import { DRAFT_MAX_BYTES } from '../../shared/limits.ts'
import type { Database } from '../store/database.ts'
import type { DeskStore } from '../store/desk.ts'

/** What is this device's alone: drafts, rooms that make no noise, users that are not heard. Sealed, and told to nobody. */
export type Desk = {
  /** What was typed in a room and not sent; '' for nothing. */
  draft(room: RoomId): string
  /** @throws LanyardError `message-too-long`, `storage-failed` */
  setDraft(room: RoomId, text: string): void
  isMuted(room: RoomId): boolean
  setMuted(room: RoomId, muted: boolean): void
  isBlocked(user: UserName): boolean
  setBlocked(user: UserName, blocked: boolean): void
  blocked(): readonly UserName[]
}

export const createDesk = (store: DeskStore, database: Database): Desk => {
  const muted = new Set(store.all('muted'))
  const blocked = new Set(store.all('blocked'))
  const set = (kind: 'muted' | 'blocked', names: Set<string>, name: string, on: boolean): void => {
    database.transaction(() => (on ? store.put(kind, name, name) : store.remove(kind, name)))
    if (on) names.add(name)
    else names.delete(name)
  }
  return {
    draft: (room) => store.get('draft', room) ?? '',
    setDraft: (room, text) => {
      if (Buffer.byteLength(text) > DRAFT_MAX_BYTES) throw fault('message-too-long', `${Buffer.byteLength(text)} bytes`)
      database.transaction(() => (text === '' ? store.remove('draft', room) : store.put('draft', room, text)))
    },
    isMuted: (room) => muted.has(room),
    setMuted: (room, on) => set('muted', muted, room, on),
    isBlocked: (user) => blocked.has(user),
    setBlocked: (user, on) => set('blocked', blocked, user, on),
    blocked: () => [...blocked].sort() as UserName[],
  }
}
