import { type FileHandle, open, rm } from 'node:fs/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { obey, tellBench } from './child.ts'
import { nowMs } from './figures.ts'

// A program: libp2p as it comes (TCP, Noise, Yamux) and nothing of ours, as the measure of what is beneath us.

export type BareOrder =
  | { readonly do: 'dial'; readonly address: string }
  /** Sends `count` messages of `bytes` to the other side, each once the last has come back. */
  | { readonly do: 'echo'; readonly count: number; readonly bytes: number }
  /** Copies the other side's file to ours. */
  | { readonly do: 'copy'; readonly from: string; readonly to: string; readonly size: number }

export type BareReport =
  | { readonly kind: 'ready'; readonly address: string }
  | { readonly kind: 'dialed' }
  | { readonly kind: 'echoed'; readonly tookMs: readonly number[] }
  | { readonly kind: 'copied'; readonly tookMs: number }

const ECHO = '/bench/echo/1'
const FILE = '/bench/file/1'
const PIECE_BYTES = 1024 * 1024

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
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
  await using file = await open(path, 'r')
  let ahead = readPiece(file, 0)
  for (let at = 0; ; ) {
    const piece = await ahead
    if (piece.byteLength === 0) break
    at += piece.byteLength
    ahead = readPiece(file, at)
    if (!stream.send(piece)) await drained(stream)
  }
  await ahead
  await stream.close()
}

const readPiece = async (file: FileHandle, position: number): Promise<Uint8Array> => {
  const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES, position)
  return buffer.subarray(0, bytesRead)
}

// It does not hold the stream back: as it comes, Yamux ends one that is paused for long. A slow disk costs memory here.
const copy = async (stream: Stream, order: Extract<BareOrder, { do: 'copy' }>): Promise<void> => {
  await using file = await open(order.to, 'w')
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let received = 0
  let wake = (): void => undefined
  stream.addEventListener('message', ({ data }) => {
    const piece = bytesOf(data)
    waiting.push(piece)
    waitingBytes += piece.byteLength
    received += piece.byteLength
    if (waitingBytes >= PIECE_BYTES || received === order.size) wake()
  })
  stream.send(new TextEncoder().encode(order.from))
  for (let written = 0; written < order.size; ) {
    if (waitingBytes < PIECE_BYTES && received < order.size) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const pieces = waiting
    written += waitingBytes
    waiting = []
    waitingBytes = 0
    await file.writev(pieces)
  }
  await file.sync()
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
        await rm(order.to)
        return tell({ kind: 'copied', tookMs })
      }
    }
  },
  async () => node.stop(),
)
tell({ kind: 'ready', address: node.getMultiaddrs()[0]?.toString() ?? '' })
