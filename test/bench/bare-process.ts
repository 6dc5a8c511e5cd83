import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { fastNoise } from '../../shared/network/noise.ts'
import { obey, tellBench } from './child.ts'
import { nowMs } from './figures.ts'
import { createSink, removeCopy, sendFile } from './sink.ts'

// A program: libp2p as it comes (TCP, Noise, Yamux), or tuned, and nothing else of ours, as the measure of what is beneath us.

export type BareProfile = { readonly tuned: boolean }

export type BareOrder =
  | { readonly do: 'dial'; readonly address: string }
  /** Sends `count` messages of `bytes` to the other side, each once the last has come back. */
  | { readonly do: 'echo'; readonly count: number; readonly bytes: number }
  /** Copies the other side's file to ours, or nowhere. */
  | { readonly do: 'copy'; readonly from: string; readonly to: string | null; readonly size: number }

export type BareReport =
  | { readonly kind: 'ready'; readonly address: string }
  | { readonly kind: 'dialed' }
  | { readonly kind: 'echoed'; readonly tookMs: readonly number[] }
  | { readonly kind: 'copied'; readonly tookMs: number }

const ECHO = '/bench/echo/1'
const FILE = '/bench/file/1'
const MIB = 1024 * 1024

// Tuned is what can be had of libp2p without another stack: larger windows and sends, and Node's own ciphers under Noise.
const { tuned }: BareProfile = JSON.parse(process.argv[2] ?? '')
const TUNED = { initialStreamWindowSize: 4 * MIB, maxStreamWindowSize: 4 * MIB, maxReadBufferLength: 16 * MIB }
const sendBytes = tuned ? MIB / 2 : MIB

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
  connectionEncrypters: [tuned ? fastNoise() : noise()],
  streamMuxers: [yamux(tuned ? { streamOptions: TUNED } : {})],
})

const bytesOf = (data: Uint8Array | { subarray(): Uint8Array }): Uint8Array =>
  data instanceof Uint8Array ? data : data.subarray()

const drained = (stream: Stream): Promise<void> =>
  new Promise((resolve) => stream.addEventListener('drain', () => resolve(), { once: true }))

/** The first message asks for a file by its path; the answer is its bytes. */
const serveFile = async (stream: Stream): Promise<void> => {
  const path = await new Promise<string>((resolve) =>
    stream.addEventListener('message', ({ data }) => resolve(new TextDecoder().decode(bytesOf(data))), { once: true }),
  )
  await sendFile(path, async (piece) => {
    for (let at = 0; at < piece.byteLength; at += sendBytes) {
      if (!stream.send(piece.subarray(at, at + sendBytes))) await drained(stream)
    }
  })
  await stream.close()
}

// It does not hold the stream back: as it comes, Yamux ends one that is paused for long. A slow disk costs memory here.
const copy = async (stream: Stream, { from, to, size }: Extract<BareOrder, { do: 'copy' }>): Promise<void> => {
  const sink = createSink(to, size)
  stream.addEventListener('message', ({ data }) => void sink.take(bytesOf(data)))
  stream.send(new TextEncoder().encode(from))
  await sink.whole
  await stream.close()
}

const echo = async (stream: Stream, { count, bytes }: Extract<BareOrder, { do: 'echo' }>): Promise<number[]> => {
  const message = new Uint8Array(bytes).fill(120)
  const took: number[] = []
  for (let at = 0; at < count; at++) {
    const began = nowMs()
    let missing = bytes
    await new Promise<void>((resolve) => {
      const onMessage = ({ data }: { readonly data: { readonly byteLength: number } }): void => {
        missing -= data.byteLength
        if (missing > 0) return
        stream.removeEventListener('message', onMessage)
        resolve()
      }
      stream.addEventListener('message', onMessage)
      stream.send(message)
    })
    took.push(nowMs() - began)
  }
  await stream.close()
  return took
}

await node.handle(ECHO, (stream) => {
  stream.addEventListener('message', ({ data }) => void stream.send(data))
})
await node.handle(FILE, serveFile)

let dial: (protocol: string) => Promise<Stream> = () => Promise.reject(new Error('nobody was dialed'))
const tell = (report: BareReport): void => tellBench(report)
obey<BareOrder>(
  async (order) => {
    switch (order.do) {
      case 'dial': {
        const connection = await node.dial(multiaddr(order.address))
        dial = (protocol) => connection.newStream(protocol)
        return tell({ kind: 'dialed' })
      }
      case 'echo':
        return tell({ kind: 'echoed', tookMs: await echo(await dial(ECHO), order) })
      case 'copy': {
        const at = nowMs()
        await copy(await dial(FILE), order)
        const tookMs = nowMs() - at
        await removeCopy(order.to)
        return tell({ kind: 'copied', tookMs })
      }
    }
  },
  async () => node.stop(),
)
tell({ kind: 'ready', address: node.getMultiaddrs()[0]?.toString() ?? '' })
