import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isRefusal } from '../../shared/errors.ts'
import { CHANNEL_BUFFER_BYTES } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import type { Stream } from '../../shared/network/node.ts'

/** Of a stream what frames use: bytes come in as events, and go out into a list. */
const fakeStream = (options: { readonly full?: boolean } = {}) => {
  const events = new EventTarget()
  const sent: Uint8Array[] = []
  const calls: string[] = []
  const state = { readStatus: 'readable', readBufferLength: 0, readableEnded: false }
  const stream = Object.assign(events, state, {
    send: (bytes: Uint8Array) => {
      sent.push(new Uint8Array(bytes))
      return options.full !== true
    },
    close: async () => void calls.push('close'),
    abort: () => void calls.push('abort'),
    pause: () => {
      stream.readStatus = 'paused'
    },
    resume: () => {
      stream.readStatus = 'readable'
    },
  })
  return {
    stream: stream as unknown as Stream,
    sent,
    calls,
    isPaused: () => stream.readStatus === 'paused',
    come: (data: Uint8Array) => events.dispatchEvent(Object.assign(new Event('message'), { data })),
    happen: (name: 'end' | 'close' | 'drain') => events.dispatchEvent(new Event(name)),
  }
}
const framed = (...frames: readonly Uint8Array[]): Uint8Array =>
  Buffer.concat(frames.flatMap((frame) => [Buffer.of(0, 0, frame.byteLength >> 8, frame.byteLength & 255), frame]))
const LIMITS = { maxFrameBytes: 300, timeoutMs: 10_000 }
const plain = (value: unknown) => (value instanceof Uint8Array ? new Uint8Array(value) : value)

describe('frames', () => {
  test('come out as they went in, however the bytes are cut on their way', async () => {
    const frame = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => new Uint8Array(bytes))
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat({ max: 50 })), async (frames, cuts) => {
        const line = fakeStream()
        const { receive } = openFrames(line.stream, LIMITS)
        let rest = framed(...frames)
        for (const cut of cuts) {
          line.come(rest.subarray(0, cut))
          rest = rest.subarray(cut)
        }
        line.come(rest)
        line.happen('end')
        for (const expected of frames) expect(plain(await receive())).toEqual(expected)
        expect(await receive()).toMatchObject({ code: 'stream-closed' })
      }),
    )
  })

  test.for([1, 2, 3, 4, 5, 6])('come one byte at a time, and %s at a time', async (step) => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, LIMITS)
    const bytes = framed(Uint8Array.of(1), Uint8Array.of(5, 6), Uint8Array.of(2, 3, 4))
    for (let at = 0; at < bytes.byteLength; at += step) line.come(bytes.subarray(at, at + step))
    expect([await receive(), await receive(), await receive()].map(plain)).toEqual([
      Uint8Array.of(1),
      Uint8Array.of(5, 6),
      Uint8Array.of(2, 3, 4),
    ])
  })

  test('that are empty are refused: no message is', async () => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, LIMITS)
    line.come(framed(Uint8Array.of(1), new Uint8Array()))
    expect(plain(await receive())).toEqual(Uint8Array.of(1))
    expect(await receive()).toMatchObject({ code: 'frame-malformed' })
  })

  test('of which the sender reuses the memory stay what they were', async () => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, LIMITS)
    const bytes = framed(Uint8Array.of(7, 7))
    line.come(bytes)
    bytes.fill(0)
    expect(plain(await receive())).toEqual(Uint8Array.of(7, 7))
  })

  test('as long as the limit are taken; a byte more is refused by its length, and nothing after it is read', async () => {
    const line = fakeStream()
    const { receive, close } = openFrames(line.stream, LIMITS)
    line.come(framed(new Uint8Array(300)))
    line.come(Uint8Array.of(0, 0, 1, 45))
    line.come(framed(Uint8Array.of(1)))
    expect(plain(await receive())).toEqual(new Uint8Array(300))
    expect(await receive()).toMatchObject({ code: 'frame-too-large' })
    expect(await receive()).toMatchObject({ code: 'frame-too-large' })
    // Whoever sent it can still be told; then the rest is let in no more.
    expect(line.calls).toEqual([])
    await close()
    expect(line.calls).toEqual(['close', 'abort'])
  })

  test('of 4 GiB take no memory', async () => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, LIMITS)
    line.come(Uint8Array.of(0xff, 0xff, 0xff, 0xff))
    expect(await receive()).toMatchObject({ code: 'frame-too-large' })
  })

  test.for([0, 1, 3, 4, 5])('that break off after %s bytes are no frames', async (length) => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, LIMITS)
    line.come(framed(Uint8Array.of(1, 2)).subarray(0, length))
    line.happen('end')
    expect(await receive()).toMatchObject({ code: 'stream-closed' })
  })

  test('that came before the end are still received, and a waiting reader is woken by the end', async () => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, LIMITS)
    line.come(framed(Uint8Array.of(1)))
    const [first, second] = [receive(), receive()]
    line.happen('close')
    expect(plain(await first)).toEqual(Uint8Array.of(1))
    expect(await second).toMatchObject({ code: 'stream-closed' })
  })

  test('that do not come in time are too late, and a later one is still received', async () => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, LIMITS)
    expect(await receive(0)).toMatchObject({ code: 'too-late' })
    line.come(framed(Uint8Array.of(1)))
    expect(plain(await receive(0))).toEqual(Uint8Array.of(1))
  })

  test('that nobody reads make the stream pause; it goes on when they are read', async () => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, { maxFrameBytes: CHANNEL_BUFFER_BYTES })
    const large = new Uint8Array(CHANNEL_BUFFER_BYTES / 2 + 1)
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(large.byteLength)
    for (let frame = 0; frame < 2; frame++) for (const part of [prefix, large]) line.come(part)
    expect(line.isPaused()).toBe(true)
    expect(isRefusal(await receive())).toBe(false)
    expect(line.isPaused()).toBe(false)
  })

  test('that nobody reads make it pause however small they are: each takes memory', async () => {
    const line = fakeStream()
    const { receive } = openFrames(line.stream, { ...LIMITS, bufferBytes: 10_000 })
    const tiny = framed(...Array.from({ length: 100 }, () => Uint8Array.of(1)))
    line.come(tiny)
    expect(line.isPaused()).toBe(true)
    for (let frame = 0; frame < 100; frame++) expect(isRefusal(await receive())).toBe(false)
    expect(line.isPaused()).toBe(false)
  })
})

describe('a frame to send', () => {
  test('has its length before it, and its parts in order', async () => {
    const line = fakeStream()
    await openFrames(line.stream, LIMITS).send(Uint8Array.of(1), Uint8Array.of(2, 3))
    expect(Buffer.concat(line.sent)).toEqual(Buffer.of(0, 0, 0, 3, 1, 2, 3))
  })

  test('over the limit is not sent at all', async () => {
    const line = fakeStream()
    const { send } = openFrames(line.stream, LIMITS)
    await expect(send(new Uint8Array(200), new Uint8Array(101))).rejects.toMatchObject({ code: 'frame-too-large' })
    expect(line.sent).toEqual([])
  })

  test('waits until a full stream has drained, and fails when it closes before', async () => {
    const line = fakeStream({ full: true })
    const { send } = openFrames(line.stream, LIMITS)
    const drained = send(Uint8Array.of(1))
    line.happen('drain')
    await drained
    const closed = send(Uint8Array.of(2))
    line.happen('close')
    await expect(closed).rejects.toMatchObject({ code: 'stream-closed' })
  })

  test('to who does not read is given up in time', async () => {
    const line = fakeStream({ full: true })
    const { send } = openFrames(line.stream, { ...LIMITS, timeoutMs: 1 })
    await expect(send(Uint8Array.of(1))).rejects.toMatchObject({ code: 'too-late' })
  })
})
