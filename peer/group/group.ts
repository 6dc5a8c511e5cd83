import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import {
  type Epoch,
  fromHex,
  type Incarnation,
  type NetworkId,
  type PeerId,
  type RoomId,
  toEpoch,
  type UserName,
} from '../../shared/ids.ts'
import { BOXES_PER_RECORD, EPOCH_ERASE_MS, EPOCH_LIFETIME_MS, EPOCH_MESSAGES } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { SenderKeyBody } from '../../shared/wire/bodies.ts'
import type { RecordHeader } from '../../shared/wire/record.ts'
import type { KeyStore, OwnSenderKey } from '../store/keys.ts'
import type { LogId } from '../store/log-id.ts'
import { type BoxContext, openBox, SUITE } from './boxes.ts'
import { membersHash } from './members-hash.ts'
import { movedPast } from './moved-past.ts'
import type { Prekey } from './prekeys.ts'
import { createReaderChains } from './reader-chains.ts'
import { sealBoxes } from './seal-boxes.ts'
import {
  commitmentOf,
  messageCommitmentOf,
  openMessage,
  sealMessage,
  skipTo,
  startChain,
  stepChain,
  wipe,
} from './sender-key.ts'

/** A device that is to read what we send, with its newest prekey. */
export type Recipient = {
  readonly peer: PeerId
  readonly user: UserName
  readonly prekey: Pick<Prekey, 'id' | 'suite' | 'publicKey'>
}

/** Who is to read what is sent in a room. Made anew whenever it changes: the same object is the same audience. */
export type Audience = {
  readonly list: readonly Recipient[]
  /** Whether a new member may open the present epoch from its start; else a newcomer means a new key. */
  readonly pastIsOpen: boolean
}

/** A sender key that is new, or new for some: its boxes are to be published before the next message. */
export type Preparation = {
  readonly key: OwnSenderKey
  readonly rotated: boolean
  readonly bodies: readonly SenderKeyBody[]
}

export type Sealed = {
  readonly header: NonNullable<RecordHeader['key']>
  readonly body: Uint8Array
  readonly messageKey: Uint8Array
  /** The sender key after this message, to be stored with the record. */
  readonly next: OwnSenderKey
}

export type Opened = { readonly plaintext: Uint8Array; readonly messageKey: Uint8Array }

/** Sender keys behind one small interface: who may read is decided elsewhere, and handed in. */
export type Group = {
  /** What must be published before the next send to these recipients; null when the present key does. */
  prepare(room: RoomId, audience: Audience, options?: { rekey?: boolean }): Promise<Preparation | null>
  /** Whether the present key has come to its end by age or by use, or there is none. */
  due(room: RoomId): boolean
  /** Takes a prepared key into use; within the transaction that stores the first of its bodies. */
  use(preparation: Preparation): void
  /** Notes whom boxes of ours went to; within the transaction that stores them. */
  boxed(room: RoomId, body: SenderKeyBody): void
  /** Seals one message under the present key, whose index it uses up. */
  seal(room: RoomId, plaintext: Uint8Array): Sealed
  /** Notes that an index is used; within the transaction that stores its record. */
  used(sealed: Sealed): void
  /** Forgets what is only in memory, after a transaction that failed. */
  forget(): void
  /** Erases sender keys that are past their time, so that a stolen store does not open what was said long ago. */
  eraseSpent(): void
  /** Opens our box of another device's sender key, and checks it against the commitment; `key-missing` is nobody's fault. */
  accept(log: LogId, body: SenderKeyBody): Promise<'accepted' | 'not-for-us' | Refusal>
  /** Opens a message by the ratchet; `key-missing` when its sender key is not here, or it is behind. */
  open(log: LogId, key: NonNullable<RecordHeader['key']>, body: Uint8Array): Opened | Refusal
  /** Opens a message by a key that another member gave. */
  openWith(
    log: LogId,
    key: NonNullable<RecordHeader['key']>,
    body: Uint8Array,
    messageKey: Uint8Array,
  ): Opened | Refusal
  /** Moves the ratchet of an epoch behind a message of its log that was opened, whatever opened it: `movedPast`. */
  pass(log: LogId, opened: NonNullable<RecordHeader['key']>, epoch: Epoch): void
  /** Writes how far the ratchets have gone; within the transaction that stores what they opened. */
  flush(): void
}

export type GroupParts = {
  readonly network: NetworkId
  readonly self: PeerId
  readonly incarnation: Incarnation
  readonly keys: KeyStore
  readonly clock: Clock
  readonly random: Random
}

export const createGroup = (parts: GroupParts): Group => {
  const { keys, self, incarnation } = parts
  const own = new Map<RoomId, OwnSenderKey>()
  const chains = createReaderChains(keys, parts.clock)

  const current = (room: RoomId): OwnSenderKey | null => {
    const known = own.get(room) ?? keys.own(room)
    if (known !== null) own.set(room, known)
    return known
  }
  const contextOf = (room: RoomId, epoch: Epoch) => ({ room, author: self, incarnation, epoch })

  const prepare: Group['prepare'] = async (room, { list, pastIsOpen }, options) => {
    const readable = list.filter(({ prekey }) => prekey.suite === SUITE)
    const present = current(room)
    const sealedTo = present === null ? [] : keys.recipients(room, present.epoch)
    const wanted = new Set(readable.map(({ peer }) => peer))
    const due =
      present === null ||
      options?.rekey === true ||
      spent(present) ||
      sealedTo.some((peer) => !wanted.has(peer)) || // somebody who holds the key is no longer to read
      (!pastIsOpen && hasNewUser(readable, sealedTo))
    const key = due ? freshKey(room, present) : present
    const missing = due ? readable : readable.filter(({ peer }) => !sealedTo.includes(peer))
    if (!due && missing.length === 0) return null

    const context = contextOf(room, key.epoch)
    const boxes = await sealBoxes(missing, {
      network: parts.network,
      context,
      secret: key.secret,
      random: parts.random,
    })
    // Who has a prekey that can't be sealed to makes us write nothing each time that the recipients are looked at.
    if (!due && boxes.length === 0) return null
    const members = membersHash(readable.map(({ peer }) => peer))
    const commitment = commitmentOf(key.secret, context)
    const bodies = slices(boxes, BOXES_PER_RECORD).map((some) => ({
      epoch: key.epoch,
      members,
      commitment,
      boxes: some,
    }))
    return { key, rotated: due, bodies }
  }

  /** A further device of somebody who reads already opens nothing that its user may not read. */
  const hasNewUser = (readable: readonly Recipient[], sealedTo: readonly PeerId[]): boolean => {
    const readers = new Set(sealedTo)
    const users = new Set(readable.filter(({ peer }) => readers.has(peer)).map(({ user }) => user))
    return readable.some(({ user }) => !users.has(user))
  }

  const spent = (key: OwnSenderKey): boolean =>
    key.secret.byteLength === 0 ||
    key.nextIndex >= EPOCH_MESSAGES ||
    parts.clock.now() >= key.created + EPOCH_LIFETIME_MS

  const freshKey = (room: RoomId, before: OwnSenderKey | null): OwnSenderKey => {
    const epoch = toEpoch(before === null ? 0 : before.epoch + 1)
    const secret = parts.random.bytes(32)
    const chain = startChain(secret, contextOf(room, epoch))
    return { room, epoch, nextIndex: chain.index, created: parts.clock.now(), secret, chain: chain.key }
  }

  return {
    prepare,
    due: (room) => {
      const present = current(room)
      return present === null || spent(present)
    },
    use: ({ key, rotated }) => {
      if (!rotated) return
      keys.setOwn(key)
      const before = own.get(key.room)
      own.set(key.room, key)
      if (before !== undefined) wipe(before.secret, before.chain)
    },
    boxed: (room, { epoch, boxes }) =>
      keys.addRecipients(
        room,
        toEpoch(epoch),
        boxes.map(({ to }) => to as PeerId),
      ),
    seal: (room, plaintext) => {
      const present = current(room)
      if (present === null || present.chain.byteLength === 0) throw new Error('seal before prepare')
      const { next, messageKey } = stepChain({ index: present.nextIndex, key: present.chain })
      const after = { ...present, nextIndex: next.index, chain: next.key }
      own.set(room, after)
      wipe(present.chain) // a transaction that fails is followed by `forget`: then the store has it still
      return {
        header: { epoch: present.epoch, index: present.nextIndex, commitment: messageCommitmentOf(messageKey) },
        body: sealMessage(messageKey, plaintext, fromHex(room)),
        messageKey,
        next: after,
      }
    },
    used: ({ next }) => keys.advanceOwn(next),
    eraseSpent: () => {
      const madeBefore = parts.clock.now() - EPOCH_ERASE_MS
      keys.eraseOwn(madeBefore)
      for (const [room, { created, secret, chain }] of own) {
        if (created > madeBefore) continue
        wipe(secret, chain)
        own.delete(room)
      }
      chains.erase()
    },
    forget: () => {
      own.clear()
      chains.forget()
    },
    accept: async (log, body) => {
      const epoch = toEpoch(body.epoch)
      const mine = body.boxes.find(({ to }) => to === self)
      if (mine === undefined) return 'not-for-us'
      if (chains.get(log, epoch) !== null) return 'accepted'
      const prekey = keys.prekey(mine.prekey)
      if (prekey === null) return refuse('key-missing', 'sealed to a prekey that is erased')
      const context = { room: log.room, author: log.device, incarnation: log.incarnation, epoch }
      const box: BoxContext = { network: parts.network, ...context, recipient: self, prekey: mine.prekey }
      const secret = await openBox(prekey.secret, box, mine.box)
      wipe(prekey.secret)
      if (isRefusal(secret)) return secret
      if (Buffer.compare(commitmentOf(secret, context), body.commitment) !== 0) {
        wipe(secret)
        return refuse('box-wrong', 'another secret than the one committed to')
      }
      const start = startChain(secret, context)
      wipe(secret)
      chains.set(log, epoch, { nextIndex: start.index, chain: start.key })
      return 'accepted'
    },
    open: (log, key, body) => {
      const epoch = toEpoch(key.epoch)
      const chain = chains.get(log, epoch)
      if (chain === null || chain.chain.byteLength === 0) return refuse('key-missing')
      const skipped = skipTo({ index: chain.nextIndex, key: chain.chain }, key.index)
      if (isRefusal(skipped)) return skipped
      const messageKey = skipped.keys.pop()?.messageKey
      if (messageKey === undefined) return refuse('key-missing')
      wipe(...skipped.keys.map((passed) => passed.messageKey))
      const plaintext = openMessage(messageKey, key.commitment, body, fromHex(log.room))
      if (isRefusal(plaintext)) {
        wipe(messageKey, skipped.next.key)
        return plaintext
      }
      wipe(chain.chain)
      chains.set(log, epoch, { nextIndex: skipped.next.index, chain: skipped.next.key })
      return { plaintext, messageKey }
    },
    openWith: (log, key, body, messageKey) => {
      const plaintext = openMessage(messageKey, key.commitment, body, fromHex(log.room))
      return isRefusal(plaintext) ? plaintext : { plaintext, messageKey }
    },
    pass: (log, opened, epoch) => {
      const chain = chains.get(log, epoch)
      if (chain === null || chain.chain.byteLength === 0) return
      const after = movedPast(chain, opened)
      if (after === chain) return
      wipe(chain.chain)
      chains.set(log, epoch, after)
    },
    flush: chains.flush,
  }
}

/** At least one slice, so that an epoch without another reader is announced too. */
const slices = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.max(1, Math.ceil(items.length / size)) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  )
