import { topicOf } from '../../peer/log/gossip.ts'
import { bodyOf, parseRecord } from '../../peer/log/record.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { fromHex, type RoomId, toHex } from '../../shared/ids.ts'
import { FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import type { Stream } from '../../shared/network/node.ts'
import { systemRandom } from '../../shared/random.ts'
import { type DeviceBody, deviceBodyCodec } from '../../shared/wire/bodies.ts'
import type { Hello } from '../../shared/wire/hello.ts'
import { type KeysReply, keysProtocol, keysReplyCodec, keysRequestCodec } from '../../shared/wire/keys.ts'
import { syncProtocol, syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { newKey, type TestNetwork, user } from './certificates.ts'
import { createPen, type Pen } from './records.ts'
import { createStranger, type Someone, type Stranger } from './stranger.ts'

type Shelf = {
  readonly records: readonly Uint8Array[]
  readonly claim: number
  readonly keys: readonly Uint8Array[] | undefined
}

/** A member with a real certificate who, once admitted, sends and serves whatever the test makes. */
export type Mallory = Stranger & {
  readonly name: string
  readonly certificate: Uint8Array
  readonly pen: Pen
  /** What is served when somebody pulls a room: the bytes of records, whatever they are. */
  serve(
    room: RoomId,
    records: readonly Uint8Array[],
    more?: { readonly seq?: number; readonly keys?: readonly Uint8Array[] },
  ): void
  /** Whether whoever pulled last asked for keys too. */
  askedForKeys(): boolean
  /** What is answered when somebody pulls anything: one frame; null: what `serve` says. */
  blurtToPullers(frame: Uint8Array | null): void
  /** What the key service answers. */
  serveKeys(reply: KeysReply | Uint8Array): void
  /** Passes the hello. From here on the other side pulls. */
  join(peer: Someone): Promise<Admitted>
}

export type Admitted = {
  /** What the other side said in its hello, and its entry in the directory. */
  readonly theirs: Hello
  readonly device: DeviceBody
  /** Says to the other side that there is more to pull. */
  beckon(room: RoomId): Promise<void>
  /** Sends bytes as a gossip message of a room, with no router that would keep us honest. */
  gossip(room: RoomId, data: Uint8Array): void
  /** Sends one frame on a conversation. @returns the answer, undecoded, or the code of why there is none */
  ask(protocol: 'sync' | 'keys', frame: Uint8Array): Promise<Uint8Array | string>
  /** Ends the connection. */
  leave(): Promise<void>
}

let count = 0

export const createMallory = async (network: TestNetwork, prefix = 'mallory'): Promise<Mallory> => {
  const name = `${prefix}-${count++}`
  const key = newKey()
  const certificate = network.issue({ user: user(name), key })
  const stranger = await createStranger(network.network, { key })
  const pen = createPen({ key, certificate })
  const shelves = new Map<string, Shelf>()
  let blurted: Uint8Array | null = null
  let askedForKeys = false
  let keys: KeysReply | Uint8Array = { kind: 'keys', keys: [] }

  await stranger.node.handle(syncProtocol(network.network), async (stream) => {
    const frames = openFrames(stream, LIMITS)
    const request = await frames.receive()
    if (isRefusal(request)) return
    const asked = orThrow(syncRequestCodec.decode(request))
    if (blurted !== null) await blurt(stream, blurted)
    else if (asked.kind === 'rooms') {
      const rooms = [...shelves.keys()].map((room) => ({ room: fromHex(room), digest: systemRandom.bytes(32) }))
      await frames.send(syncReplyCodec.encode({ kind: 'rooms', rooms, open: [], openDigest: asked.open }))
    } else {
      const { room } = asked
      const { records = [], claim = -1, keys } = shelves.get(toHex(room)) ?? {}
      askedForKeys = asked.keys === 1
      const heads =
        claim < 0 ? [] : [{ device: stranger.node.peerId, inc: pen.inc, seq: claim, hash: new Uint8Array(32) }]
      await frames.send(syncReplyCodec.encode({ kind: 'records', records, ...(keys === undefined ? {} : { keys }) }))
      await frames.send(syncReplyCodec.encode({ kind: 'done', heads, left: 0 }))
    }
    await frames.close()
  })
  await stranger.node.handle(keysProtocol(network.network), async (stream) => {
    const frames = openFrames(stream, LIMITS)
    const request = await frames.receive()
    if (isRefusal(request)) return
    orThrow(keysRequestCodec.decode(request))
    await blurt(stream, keys instanceof Uint8Array ? keys : keysReplyCodec.encode(keys))
    await frames.close()
  })

  return {
    ...stranger,
    name,
    certificate,
    pen,
    serve: (room, records, { seq: claim = -1, keys } = {}) => shelves.set(room, { records, claim, keys }),
    askedForKeys: () => askedForKeys,
    blurtToPullers: (frame) => {
      blurted = frame
    },
    serveKeys: (reply) => {
      keys = reply
    },
    join: async (peer) => {
      const line = await stranger.callUp(peer)
      await line.say(stranger.hello(certificate))
      const theirs = orThrow(await line.hear())
      if (theirs.kind !== 'hello') throw new Error(`not admitted: ${theirs.kind}`)
      await line.say({ kind: 'admitted' })
      const gossip = await stranger.node.open(line.connection, MESHSUB)
      const ask: Admitted['ask'] = async (protocol, frame) => {
        const id = (protocol === 'sync' ? syncProtocol : keysProtocol)(network.network)
        const stream = await stranger.node.open(line.connection, id)
        const frames = openFrames(stream, LIMITS)
        await blurt(stream, frame)
        const answer = await frames.receive()
        return isRefusal(answer) ? answer.code : answer
      }
      return {
        theirs,
        device: orThrow(deviceBodyCodec.decode(bodyOf(orThrow(parseRecord(theirs.device))))),
        beckon: async (room) => {
          const heads = [{ device: stranger.node.peerId, inc: pen.inc, seq: 1_000_000, hash: new Uint8Array(32) }]
          await ask('sync', syncRequestCodec.encode({ kind: 'heads', room: fromHex(room), heads, left: 0 }))
        },
        gossip: (room, data) => void gossip.send(rpcOf(topicOf(network.network, room), data)),
        ask,
        leave: () => line.connection.close(),
      }
    },
  }
}

const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }
const MESHSUB = '/meshsub/1.1.0'

/** Sends a frame of any length, which an honest sender would not. */
const blurt = async (stream: Stream, frame: Uint8Array): Promise<void> => {
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, frame.byteLength)
  stream.send(length)
  stream.send(frame)
}

/** A gossipsub RPC with one message: protobuf, `publish` = 2 { `data` = 2, `topic` = 4 }, and its length before it. */
const rpcOf = (topic: string, data: Uint8Array): Uint8Array => {
  const message = Buffer.concat([field(2, data), field(4, Buffer.from(topic))])
  const rpc = field(2, message)
  return Buffer.concat([varint(rpc.byteLength), rpc])
}
const field = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(number * 8 + 2), varint(bytes.byteLength), bytes])
const varint = (value: number): Buffer => {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest & 127) | 128)
  }
}
