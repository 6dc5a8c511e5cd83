import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Codec, codec, count } from '../../shared/codec.ts'
import { isRefusal } from '../../shared/errors.ts'
import { deviceBodyCodec, messageContentCodec, senderKeyBodyCodec } from '../../shared/wire/bodies.ts'
import { fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import { helloCodec } from '../../shared/wire/hello.ts'
import { keysReplyCodec, keysRequestCodec } from '../../shared/wire/keys.ts'
import { headerCodec, RECORD_KINDS, recordCodec } from '../../shared/wire/record.ts'
import { syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { type Sloppiness, sloppy } from '../support/sloppy-cbor.ts'

const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => new Uint8Array(bytes))
const upTo = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => new Uint8Array(bytes))
const texts = (maxLength: number) =>
  fc.string({ maxLength, unit: 'grapheme' }).filter((text) => text.length <= maxLength)
const counts = fc.maxSafeNat()
const kind = <Kind extends string>(name: Kind) => fc.constant(name)
const refused = fc.record({ kind: kind('refused'), code: texts(64) })
const heads = fc.array(
  fc.record(
    { device: texts(64), inc: exactly(8), seq: counts, hash: exactly(32), fork: fc.constant(1) },
    { requiredKeys: ['device', 'inc', 'seq', 'hash'] },
  ),
  { maxLength: 4 },
)
const left = fc.nat({ max: 20_000 })
const digests = fc.array(
  fc.record({ room: exactly(32), digest: exactly(32), open: fc.constant(1) }, { requiredKeys: ['room', 'digest'] }),
  { maxLength: 4 },
)
const key = fc.record({ epoch: counts, index: counts, commitment: exactly(32) })

/** Every codec of the peers' wire, each with all that it may carry. */
const CODECS: Record<string, { readonly codec: Codec<unknown>; readonly values: fc.Arbitrary<unknown> }> = {
  hello: {
    codec: helloCodec,
    values: fc.oneof(
      refused,
      fc.record({ kind: kind('admitted') }),
      fc.record({
        kind: kind('hello'),
        version: counts,
        network: texts(52),
        certificate: upTo(100),
        crl: counts,
        device: upTo(100),
        addresses: fc.array(texts(255), { maxLength: 3 }),
      }),
    ),
  },
  header: {
    codec: headerCodec,
    values: fc.record(
      {
        v: fc.constant(1),
        room: exactly(32),
        author: exactly(32),
        inc: exactly(8),
        seq: counts,
        prev: exactly(32),
        after: fc.array(exactly(32), { maxLength: 3 }),
        time: fc.tuple(counts, counts),
        kind: fc.constantFrom(...RECORD_KINDS),
        body: exactly(32),
        key,
      },
      { requiredKeys: ['v', 'room', 'author', 'inc', 'seq', 'prev', 'after', 'time', 'kind', 'body'] },
    ),
  },
  record: {
    codec: recordCodec,
    values: fc.record({
      header: upTo(200),
      signature: upTo(512),
      proof: fc.record({
        index: fc.nat({ max: 256 }),
        size: fc.integer({ min: 1, max: 256 }),
        path: fc.array(exactly(32), { maxLength: 8 }),
      }),
      body: upTo(200),
    }),
  },
  'sync request': {
    codec: syncRequestCodec,
    values: fc.oneof(
      fc.record(
        { kind: kind('heads'), room: exactly(32), heads, left, keys: fc.constant(1) },
        { requiredKeys: ['kind', 'room', 'heads', 'left'] },
      ),
      fc.record({ kind: kind('rooms'), open: exactly(32) }),
    ),
  },
  'sync reply': {
    codec: syncReplyCodec,
    values: fc.oneof(
      refused,
      fc.record(
        {
          kind: kind('records'),
          records: fc.array(upTo(100), { maxLength: 4 }),
          keys: fc.array(fc.oneof(exactly(32), exactly(0)), { maxLength: 4 }),
        },
        { requiredKeys: ['kind', 'records'] },
      ),
      fc.record({ kind: kind('done'), heads, left }),
      fc.record({
        kind: kind('rooms'),
        rooms: digests,
        open: fc.array(upTo(100), { maxLength: 4 }),
        openDigest: exactly(32),
      }),
    ),
  },
  'keys request': {
    codec: keysRequestCodec,
    values: fc.record({ kind: kind('want'), room: exactly(32), records: fc.array(exactly(32), { maxLength: 4 }) }),
  },
  'keys reply': {
    codec: keysReplyCodec,
    values: fc.oneof(
      refused,
      fc.record({
        kind: kind('keys'),
        keys: fc.array(fc.record({ record: exactly(32), key: exactly(32) }), { maxLength: 4 }),
      }),
    ),
  },
  'file request': {
    codec: fileRequestCodec,
    values: fc.oneof(
      fc.record({ kind: kind('want'), record: exactly(32), known: fc.boolean() }),
      fc.record({ kind: kind('chunk'), index: counts }),
      fc.record({ kind: kind('whole') }),
    ),
  },
  'file reply': {
    codec: fileReplyCodec,
    values: fc.oneof(
      refused,
      fc.record({ kind: kind('held'), manifest: fc.option(upTo(100)), chunks: fc.option(upTo(100)), seat: fc.nat() }),
      fc.record({ kind: fc.constantFrom('have', 'given'), chunks: fc.array(fc.nat(), { maxLength: 4 }) }),
      fc.record({ kind: kind('sealed'), index: counts, tag: exactly(16) }),
    ),
  },
  'body of a device record': {
    codec: deviceBodyCodec,
    values: fc.record({
      certificate: upTo(100),
      prekey: fc.record({ id: exactly(8), suite: counts, publicKey: exactly(32), created: counts }),
    }),
  },
  'body of a sender key record': {
    codec: senderKeyBodyCodec,
    values: fc.record({
      epoch: counts,
      members: exactly(32),
      commitment: exactly(32),
      boxes: fc.array(fc.record({ to: texts(64), prekey: exactly(8), box: exactly(80) }), { maxLength: 3 }),
    }),
  },
  'message content': {
    codec: messageContentCodec,
    values: fc.oneof(
      fc.record({ kind: kind('text'), text: texts(200) }),
      fc.record({
        kind: kind('file'),
        name: texts(255),
        size: counts,
        type: texts(100),
        key: exactly(32),
        manifest: exactly(32),
      }),
    ),
  },
}

const SLOPPY: readonly Sloppiness[] = [
  'long lengths',
  'indefinite maps',
  'indefinite texts',
  'duplicate keys',
  'tags',
  'number keys',
  'undefined added',
  '__proto__ added',
]

describe.for(Object.entries(CODECS))('the codec of a %s', ([, { codec, values }]) => {
  const encoded = values.map((value) => codec.encode(value))
  const malformed = expect.objectContaining({ kind: 'refusal', code: 'frame-malformed', by: 'here' })

  test('gives back what went in, in the bytes of the standard', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = codec.encode(value)
        expect(codec.decode(bytes)).toEqual(value)
        expect(new Uint8Array(sloppy(value))).toEqual(new Uint8Array(bytes))
      }),
    )
  })

  test('refuses what is cut short, wherever, and what goes on', () => {
    fc.assert(
      fc.property(encoded, fc.nat(), exactly(1), (bytes, cut, more) => {
        expect(codec.decode(bytes.subarray(0, cut % bytes.byteLength))).toEqual(malformed)
        expect(codec.decode(Buffer.concat([bytes, more]))).toEqual(malformed)
      }),
    )
  })

  test.for(SLOPPY)('refuses %s', (fault) => {
    fc.assert(
      fc.property(values, (value) => {
        expect(codec.decode(sloppy(value, fault))).toEqual(malformed)
      }),
    )
  })

  test('refuses a field too many, one too few, and one that is something else', () => {
    const others = [null, true, 'text', -1, 1.5, 2 ** 53, [], {}, new Uint8Array(1_000), [[]], 'x'.repeat(20_000)]
    fc.assert(
      fc.property(values, fc.nat(), (value, which) => {
        const fields = value as Record<string, unknown>
        expect(codec.decode(codec.encode({ ...fields, more: 1 }))).toEqual(malformed)
        const mayLack = 'manifest' in fields || fields.kind === 'keys' ? [] : ['key', 'keys']
        const names = Object.keys(fields).filter((name) => !mayLack.includes(name))
        const name = names[which % names.length] ?? ''
        const { [name]: present, ...rest } = fields
        expect(codec.decode(codec.encode(rest))).toEqual(malformed)
        for (const other of others) {
          if (typeof other === typeof present && other !== -1 && other !== 1.5 && other !== 2 ** 53) continue
          const bytes = codec.encode({ ...rest, [name]: other })
          expect(isRefusal(codec.decode(bytes))).toBe(true)
        }
      }),
    )
  })

  test('never throws, whatever bytes come', () => {
    fc.assert(
      fc.property(
        fc.oneof(upTo(300), encoded),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        (bytes, changes) => {
          const altered = new Uint8Array(bytes)
          for (const [at, byte] of changes) if (altered.byteLength > 0) altered[at % altered.byteLength] = byte
          expect(() => codec.decode(altered)).not.toThrow()
        },
      ),
    )
  })
})

describe('any codec', () => {
  const numbers = codec(z.strictObject({ n: count() }), 1_000)

  test('refuses floats, even whole ones', () => {
    expect(numbers.decode(sloppy({ n: 1 }))).toEqual({ n: 1 })
    expect(numbers.decode(sloppy({ n: 1 }, 'floats'))).toMatchObject({ code: 'frame-malformed' })
    for (const float of ['f93c00', 'fa3f800000', 'fb3ff0000000000000', 'f97e00', 'f97c00', 'f98000']) {
      const bytes = Buffer.concat([Buffer.from('a1616e', 'hex'), Buffer.from(float, 'hex')])
      expect(numbers.decode(bytes)).toMatchObject({ code: 'frame-malformed' })
    }
  })

  test('takes what is as large as its limit, and refuses a byte more before it looks at it', () => {
    const large = codec(z.custom<Uint8Array>(), 100)
    expect(large.decode(large.encode(new Uint8Array(98)))).toEqual(new Uint8Array(98))
    expect(large.decode(large.encode(new Uint8Array(99)))).toMatchObject({
      code: 'frame-too-large',
      detail: '101 bytes, at most 100',
    })
  })

  const hostile: Record<string, Uint8Array> = {
    'a million arrays in each other': Buffer.alloc(1_000_000, 0x81),
    'a million maps in each other': Buffer.alloc(3_000_000, 'a16161', 'hex'),
    'a byte string of 2⁶³ bytes': Buffer.from('5b7fffffffffffffff', 'hex'),
    'an array of 2³² items': Buffer.from('9affffffff', 'hex'),
    'a map of 2³² items': Buffer.from('baffffffff', 'hex'),
    'a text that is no UTF-8': Buffer.from('a1616e62c328', 'hex'),
    'a simple value': Buffer.from('e0', 'hex'),
    'a break alone': Buffer.from('ff', 'hex'),
    'reserved lengths': Buffer.from('1c', 'hex'),
    'a negative number': Buffer.from('a1616e20', 'hex'),
    'a number over 2⁵³': Buffer.from('a1616e1b0020000000000000', 'hex'),
    'nothing at all': new Uint8Array(),
  }
  test.for(Object.entries(hostile))('refuses %s without a throw', ([, bytes]) => {
    const wide = codec(z.strictObject({ n: count() }), 4_000_000)
    expect(wide.decode(bytes)).toMatchObject({ code: 'frame-malformed' })
  })

  test('leaves the prototype of everything as it was', () => {
    numbers.decode(sloppy({ n: 1 }, '__proto__ added'))
    expect(Object.hasOwn(Object.prototype, 'more')).toBe(false)
  })
})
