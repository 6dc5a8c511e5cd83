import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import { isRefusal, type Refusal } from '../errors.ts'
import { MEMBERSHIP_BODY_MAX_BYTES, REMOVE_HEADS_MAX, ROOM_NAME_MAX, ROOM_TOPIC_MAX, USER_NAME_MAX } from '../limits.ts'

/** The kinds of record that say who is in a room, and what the room is. Their bodies are in plain: every member judges by them. */
export const MEMBERSHIP_KINDS = ['room', 'invite', 'join', 'leave', 'remove', 'grant', 'settings'] as const
/** One of `MEMBERSHIP_KINDS`. */
export type MembershipKind = (typeof MEMBERSHIP_KINDS)[number]

/** Whether records of this kind say who is in a room, or what it is. */
export const isMembershipKind = (kind: string): kind is MembershipKind =>
  (MEMBERSHIP_KINDS as readonly string[]).includes(kind)

/** Body of a `room` record, which founds a room. The room's id is SHA-256 over a label, the network id and these bytes. */
export type RoomBody = {
  /** 16 random bytes: two rooms of one name are two rooms. */
  readonly nonce: Uint8Array
  /** User name of the creator, who wrote this record and is the first admin. */
  readonly creator: string
  readonly name: string
  /** `open`: everybody in the network may join. `invite`: only who was invited. */
  readonly access: 'open' | 'invite'
  /** What newcomers may read: all, or what was said by those who knew that they had joined. */
  readonly history: 'all' | 'since-join'
}

/** Body of an `invite` record, by an admin: this user is a member from now on. */
export type InviteBody = { readonly user: string }
// The bodies of `join` (who joins an open room, or takes an invite up) and `leave` are empty maps.

/** Body of a `remove` record, by an admin senior to the user, or any admin where the user is none. */
export type RemoveBody = {
  readonly user: string
  /** How far the remover holds the logs of the user's devices: what lies beyond counts for nobody. */
  readonly heads: readonly { readonly device: string; readonly inc: Uint8Array; readonly seq: number }[]
}

/** Body of a `grant` record, by an admin: makes a member an admin, or (`admin: false`, by a senior) an admin a member. */
export type GrantBody = { readonly user: string; readonly admin: boolean }

/** Body of a `settings` record, by an admin: what it names changes, the rest stays. */
export type SettingsBody = {
  readonly name?: string | undefined
  readonly topic?: string | undefined
  /**
   * How long messages are kept: at most this many milliseconds (by their own time), and the newest this many `message`
   * records; 0 is for ever.
   */
  readonly keepMs?: number | undefined
  readonly keepMessages?: number | undefined
}

/** What a membership record says, with its kind. */
export type MembershipBody =
  | ({ readonly kind: 'room' } & RoomBody)
  | ({ readonly kind: 'invite' } & InviteBody)
  | { readonly kind: 'join' }
  | { readonly kind: 'leave' }
  | ({ readonly kind: 'remove' } & RemoveBody)
  | ({ readonly kind: 'grant' } & GrantBody)
  | ({ readonly kind: 'settings' } & SettingsBody)

const user = z.string().min(1).max(USER_NAME_MAX)
const roomName = z.string().min(1).max(ROOM_NAME_MAX)

/** At most 64 bytes of nothing, as `join` and `leave` have. */
export const emptyBodyCodec = codec<Record<string, never>>(z.strictObject({}), MEMBERSHIP_BODY_MAX_BYTES)
/** At most 32 KiB. */
export const roomBodyCodec = codec<RoomBody>(
  z.strictObject({
    nonce: bytes(16),
    creator: user,
    name: roomName,
    access: z.enum(['open', 'invite']),
    history: z.enum(['all', 'since-join']),
  }),
  MEMBERSHIP_BODY_MAX_BYTES,
)
/** At most 32 KiB. */
export const inviteBodyCodec = codec<InviteBody>(z.strictObject({ user }), MEMBERSHIP_BODY_MAX_BYTES)
/** At most 32 KiB. */
export const removeBodyCodec = codec<RemoveBody>(
  z.strictObject({
    user,
    heads: z.array(z.strictObject({ device: z.string().max(64), inc: bytes(8), seq: count() })).max(REMOVE_HEADS_MAX),
  }),
  MEMBERSHIP_BODY_MAX_BYTES,
)
/** At most 32 KiB. */
export const grantBodyCodec = codec<GrantBody>(z.strictObject({ user, admin: z.boolean() }), MEMBERSHIP_BODY_MAX_BYTES)
/** At most 32 KiB. */
export const settingsBodyCodec = codec<SettingsBody>(
  z.strictObject({
    name: roomName.optional(),
    topic: z.string().max(ROOM_TOPIC_MAX).optional(),
    keepMs: count().optional(),
    keepMessages: count().optional(),
  }),
  MEMBERSHIP_BODY_MAX_BYTES,
)

/** Reads the body of a membership record of this kind. */
export const membershipBodyOf = (kind: MembershipKind, body: Uint8Array): MembershipBody | Refusal => {
  const read = CODECS[kind].decode(body)
  return isRefusal(read) ? read : ({ kind, ...read } as MembershipBody)
}

/** The bytes of a membership record's body. */
export const encodeMembership = ({ kind, ...body }: MembershipBody): Uint8Array => CODECS[kind].encode(body as never)

const CODECS = {
  room: roomBodyCodec,
  invite: inviteBodyCodec,
  join: emptyBodyCodec,
  leave: emptyBodyCodec,
  remove: removeBodyCodec,
  grant: grantBodyCodec,
  settings: settingsBodyCodec,
} as const
