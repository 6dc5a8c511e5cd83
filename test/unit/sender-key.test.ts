import { createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Chain,
  commitmentOf,
  fitsCommitment,
  messageCommitmentOf,
  openMessage,
  type SenderKeyContext,
  sealMessage,
  skipTo,
  startChain,
  stepChain,
  wipe,
} from '../../peer/group/sender-key.ts'
import { isRefusal } from '../../shared/errors.ts'
import { type PeerId, toEpoch, toHex, toIncarnation, toRoomId } from '../../shared/ids.ts'
import { EPOCH_MESSAGES } from '../../shared/limits.ts'

const context: SenderKeyContext = {
  room: toRoomId(new Uint8Array(32).fill(1)),
  author: 'QmAuthor' as PeerId,
  incarnation: toIncarnation(new Uint8Array(8).fill(2)),
  epoch: toEpoch(3),
}
const OTHER_CONTEXTS: [string, SenderKeyContext][] = [
  ['room', { ...context, room: toRoomId(new Uint8Array(32).fill(9)) }],
  ['author', { ...context, author: 'QmSomebody' as PeerId }],
  ['incarnation', { ...context, incarnation: toIncarnation(new Uint8Array(8).fill(9)) }],
  ['epoch', { ...context, epoch: toEpoch(4) }],
]
const secret = new Uint8Array(32).fill(5)
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** What a sender would put on the wire for its first `count` messages. */
const sealedMessages = (count: number) => {
  let chain = startChain(secret, context)
  return Array.from({ length: count }, (_, index) => {
    const { next, messageKey } = stepChain(chain)
    chain = next
    const aad = text(`header ${index}`)
    const sealed = sealMessage(messageKey, text(`message ${index}`), aad)
    return { index, aad, sealed, commitment: messageCommitmentOf(messageKey) }
  })
}

/** A reader: a chain, and the keys that it skipped over. */
const reader = (start: Chain) => {
  let chain = start
  const skipped = new Map<number, Uint8Array>()
  return (index: number): Uint8Array | undefined => {
    const old = skipped.get(index)
    if (old !== undefined) return old
    const step = skipTo(chain, index)
    if (isRefusal(step)) return undefined
    chain = step.next
    for (const key of step.keys) skipped.set(key.index, key.messageKey)
    return skipped.get(index)
  }
}

describe('an epoch', () => {
  test('can be read in any order, whatever is missed or comes late', () => {
    const messages = sealedMessages(12)
    const order = fc.shuffledSubarray(messages, { minLength: 1, maxLength: messages.length })
    fc.assert(
      fc.property(order, (arrivals) => {
        const keyOf = reader(startChain(secret, context))
        for (const { index, aad, sealed, commitment } of arrivals) {
          const key = keyOf(index) ?? new Uint8Array(0)
          expect(openMessage(key, commitment, sealed, aad)).toEqual(text(`message ${index}`))
        }
      }),
    )
  })

  test('gives each index another key, and each context another chain', () => {
    const keys = new Set<string>()
    for (const [, other] of [['same', context] as const, ...OTHER_CONTEXTS]) {
      let chain = startChain(secret, other)
      for (let i = 0; i < 50; i++) {
        const { next, messageKey } = stepChain(chain)
        keys
          .add(toHex(messageKey))
          .add(toHex(chain.key))
          .add(toHex(messageCommitmentOf(messageKey)))
        chain = next
      }
    }
    expect(keys.size).toBe(5 * 50 * 3)
  })

  test('ends at its limit: no header can make a reader hash for ever', () => {
    const chain = startChain(secret, context)
    for (const index of [EPOCH_MESSAGES, 2 ** 40, Number.MAX_SAFE_INTEGER, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(skipTo(chain, index)).toMatchObject({ kind: 'refusal', code: 'record-malformed' })
    }
    const last = skipTo(chain, EPOCH_MESSAGES - 1)
    expect(isRefusal(last) ? 0 : last.keys.length).toBe(EPOCH_MESSAGES)
  })
})

describe('forward secrecy', () => {
  test('a chain state opens nothing before its index', () => {
    const messages = sealedMessages(10)
    for (let stolenAt = 1; stolenAt < 10; stolenAt++) {
      const start = skipTo(startChain(secret, context), stolenAt - 1)
      if (isRefusal(start)) throw new Error(start.code)
      const stolen = start.next
      expect(stolen.index).toBe(stolenAt)
      // All that the thief can compute from here on, keys and chain keys alike, against every earlier message.
      const ahead = skipTo(stolen, 30)
      if (isRefusal(ahead)) throw new Error(ahead.code)
      const candidates = [stolen.key, ahead.next.key, ...ahead.keys.map((key) => key.messageKey)]
      for (const { aad, sealed, commitment } of messages.slice(0, stolenAt)) {
        for (const key of candidates)
          expect(openMessage(key, commitment, sealed, aad)).toMatchObject({ code: 'key-wrong' })
      }
      expect(skipTo(stolen, stolenAt - 1)).toMatchObject({ kind: 'refusal', code: 'key-missing' })
    }
  })

  test('skipping leaves the chain of the caller as it was, for the caller to store first and erase then', () => {
    const chain = startChain(secret, context)
    const before = toHex(chain.key)
    skipTo(chain, 5)
    expect(toHex(chain.key)).toBe(before)
    wipe(chain.key)
    expect(toHex(chain.key)).toBe('00'.repeat(32))
  })
})

describe('commitments', () => {
  test.each(OTHER_CONTEXTS)('a secret that was committed to for another %s is noticed', (_, other) => {
    expect(commitmentOf(secret, other)).not.toEqual(commitmentOf(secret, context))
  })

  test('another secret is noticed', () => {
    fc.assert(
      fc.property(bytes32, bytes32, (a, b) => {
        fc.pre(toHex(a) !== toHex(b))
        expect(commitmentOf(a, context)).not.toEqual(commitmentOf(b, context))
      }),
    )
  })

  test('what is published says nothing of the chain: no output of a secret equals another', () => {
    const { key } = startChain(secret, context)
    const { next, messageKey } = stepChain({ index: 0, key })
    const outputs = [secret, commitmentOf(secret, context), key, next.key, messageKey, messageCommitmentOf(messageKey)]
    expect(new Set(outputs.map(toHex)).size).toBe(outputs.length)
  })

  // AES-GCM alone allows it: with two keys in hand, one ciphertext can be built that both open (Dodis et al., 2018). What a
  // dishonest sender needs beyond that is one commitment for two keys, and that is a SHA-256 collision.
  test('one signed header fits no two keys, so that no two readers can be shown two plaintexts', () => {
    fc.assert(
      fc.property(bytes32, bytes32, fc.uint8Array({ maxLength: 64 }), (honest, other, plaintext) => {
        fc.pre(toHex(honest) !== toHex(other))
        const aad = text('header')
        const sealedByOther = sealMessage(other, plaintext, aad)
        const commitment = messageCommitmentOf(honest)
        expect(fitsCommitment(honest, commitment)).toBe(true)
        expect(fitsCommitment(other, commitment)).toBe(false)
        // The ciphertext does open under `other`; only the header's commitment stops the reader that was given `other`.
        expect(openMessage(other, messageCommitmentOf(other), sealedByOther, aad)).toEqual(plaintext)
        expect(openMessage(other, commitment, sealedByOther, aad)).toMatchObject({ code: 'key-wrong' })
        expect(openMessage(honest, commitment, sealedByOther, aad)).toMatchObject({ code: 'record-malformed' })
      }),
    )
  })

  test('a key or a commitment of the wrong length fits nothing', () => {
    const key = new Uint8Array(32).fill(7)
    const padded = new Uint8Array(64)
    padded.set(key)
    // HMAC pads a short key with zeros: without the check on length both would fit.
    expect(fitsCommitment(padded, messageCommitmentOf(key))).toBe(false)
    expect(fitsCommitment(key, messageCommitmentOf(key).subarray(1))).toBe(false)
    expect(fitsCommitment(key, new Uint8Array(0))).toBe(false)
  })
})

describe('a message', () => {
  const messageKey = new Uint8Array(32).fill(8)
  const commitment = messageCommitmentOf(messageKey)

  test('round-trips, the empty one too', () => {
    fc.assert(
      fc.property(
        bytes32,
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ maxLength: 80 }),
        (key, plaintext, aad) => {
          const sealed = sealMessage(key, plaintext, aad)
          expect(sealed.byteLength).toBe(plaintext.byteLength + 16)
          expect(openMessage(key, messageCommitmentOf(key), sealed, aad)).toEqual(plaintext)
        },
      ),
    )
  })

  test('does not open when a byte of it or of its header is altered, or when it is cut', () => {
    const aad = text('header')
    const sealed = sealMessage(messageKey, text('hello'), aad)
    for (let i = 0; i < sealed.byteLength; i++) {
      const altered = sealed.map((byte, at) => (at === i ? byte ^ 1 : byte))
      expect(openMessage(messageKey, commitment, altered, aad)).toMatchObject({ code: 'record-malformed' })
      expect(openMessage(messageKey, commitment, sealed.subarray(0, i), aad)).toMatchObject({
        code: 'record-malformed',
      })
    }
    expect(openMessage(messageKey, commitment, sealed, text('Header'))).toMatchObject({ code: 'record-malformed' })
  })
})

test('the derivations are HKDF-Expand of RFC 5869, as the protocol text says', () => {
  // node's HKDF extracts first: with PRK = HMAC(salt, ikm), its output is Expand(PRK, info).
  const [salt, ikm] = [text('salt'), text('input')]
  const prk = new Uint8Array(createHmac('sha256', salt).update(ikm).digest())
  const info = (name: string) => text(`lanyard ${name} 1`)
  const expanded = (name: string) => new Uint8Array(hkdfSync('sha256', ikm, salt, info(name), 32))
  expect({ ...stepChain({ index: 6, key: prk }) }).toEqual({
    next: { index: 7, key: expanded('sender-key chain next') },
    messageKey: expanded('sender-key chain message'),
  })
  expect(messageCommitmentOf(prk)).toEqual(expanded('message commitment'))
})
