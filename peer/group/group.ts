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
import {
  BOXES_AT_ONCE,
  BOXES_PER_RECORD,
  EPOCH_ERASE_MS,
  EPOCH_LIFETIME_MS,
  EPOCH_MESSAGES,
} from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { SenderKeyBody } from '../../shared/wire/bodies.ts'
import type { RecordHeader } from '../../shared/wire/record.ts'
import type { KeyStore, OwnSenderKey } from '../store/keys.ts'
import type { LogId } from '../store/records.ts'
import { type BoxContext, openBox, SUITE, sealBox } from './boxes.ts'
import { membersHash } from './members-hash.ts'
import { movedPast } from './moved-past.ts'
import type { Prekey } from './prekeys.ts'
import { createReaderChains } from './reader-chains.ts'
import {
  commitmentOf,
  messageCommitmentOf,
  openMessage,
  type SenderKeyContext,
  sealMessage,
  skipTo,
  startChain,
  stepChain,
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
  /** Erases our own keys that are past their time, so that a stolen store does not open what we said long ago. */
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
  const chains = createReaderChains(keys)

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
    const sealed: Awaited<ReturnType<typeof boxFor>>[] = []
    for (const some of slices(missing, BOXES_AT_ONCE)) {
      sealed.push(...(await Promise.all(some.map((recipient) => boxFor(recipient, context, key.secret)))))
      if (some.length === BOXES_AT_ONCE) await turn()
    }
    // A prekey that can't be sealed to keeps nobody else from reading; its owner asks the key service.
    const boxes = sealed.flatMap((box) => (isRefusal(box) ? [] : [box]))
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

  const boxFor = async ({ peer, prekey }: Recipient, context: SenderKeyContext, secret: Uint8Array) => {
    const info: BoxContext = { network: parts.network, ...context, recipient: peer, prekey: prekey.id }
    const box = await sealBox(prekey.publicKey, info, secret, parts.random)
    return isRefusal(box) ? box : { to: peer, prekey: prekey.id, box }
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
      own.set(key.room, key)
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
        secret.fill(0)
        chain.fill(0)
        own.delete(room)
      }
    },
    forget: () => {
      own.clear()
      chains.forget()
    },
    accept: async (log, body) => {
      const epoch = toEpoch(body.epoch)
      const mine = body.boxes.find(({ to }) => to === self)
      if (mine === undefined) return 'not-for-us'
      if (chains.of(log, epoch) !== null) return 'accepted'
      const prekey = keys.prekey(mine.prekey)
      if (prekey === null) return refuse('key-missing', 'sealed to a prekey that is erased')
      const context = { room: log.room, author: log.device, incarnation: log.incarnation, epoch }
      const box: BoxContext = { network: parts.network, ...context, recipient: self, prekey: mine.prekey }
      const secret = await openBox(prekey.secret, box, mine.box)
      if (isRefusal(secret)) return secret
      if (Buffer.compare(commitmentOf(secret, context), body.commitment) !== 0) {
        return refuse('box-wrong', 'another secret than the one committed to')
      }
      const start = startChain(secret, context)
      chains.set({ ...log, epoch, nextIndex: start.index, chain: start.key })
      return 'accepted'
    },
    open: (log, key, body) => {
      const epoch = toEpoch(key.epoch)
      const chain = chains.of(log, epoch)
      if (chain === null) return refuse('key-missing')
      const skipped = skipTo({ index: chain.nextIndex, key: chain.chain }, key.index)
      if (isRefusal(skipped)) return skipped
      const messageKey = skipped.keys.at(-1)?.messageKey
      if (messageKey === undefined) return refuse('key-missing')
      const plaintext = openMessage(messageKey, key.commitment, body, fromHex(log.room))
      if (isRefusal(plaintext)) return plaintext
      chains.set({ ...chain, nextIndex: skipped.next.index, chain: skipped.next.key })
      return { plaintext, messageKey }
    },
    openWith: (log, key, body, messageKey) => {
      const plaintext = openMessage(messageKey, key.commitment, body, fromHex(log.room))
      return isRefusal(plaintext) ? plaintext : { plaintext, messageKey }
    },
    pass: (log, opened, epoch) => {
      const chain = chains.of(log, epoch)
      const after = chain === null ? null : movedPast(chain, opened)
      if (after !== null && after !== chain) chains.set(after)
    },
    flush: chains.flush,
  }
}

/** Lets everything else have its turn: a key for 1,000 members is sealed in 0.3 s. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** At least one slice, so that an epoch without another reader is announced too. */
const slices = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.max(1, Math.ceil(items.length / size)) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  )
