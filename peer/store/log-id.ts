import type { Incarnation, PeerId, RoomId } from '../../shared/ids.ts'

/** One author's log in one room. */
export type LogId = { readonly room: RoomId; readonly device: PeerId; readonly incarnation: Incarnation }
