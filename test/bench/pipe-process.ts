import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { obey, tellBench } from './child.ts'
import { nowMs } from './figures.ts'
import { createSink, removeCopy, sendFile } from './sink.ts'

// A program: a file over plain TCP, and over TLS 1.3 as Node has it, as the measure of what the machine can do.

/** PEM: key and certificate of both sides' TLS. */
export type PipeProfile = { readonly key: string; readonly cert: string }

export type PipeOrder =
  /** Copies the other side's file to ours, or nowhere. */
  {
    readonly do: 'copy'
    readonly over: 'tcp' | 'tls'
    readonly port: number
    readonly from: string
    readonly to: string | null
    readonly size: number
  }

export type PipeReport =
  | { readonly kind: 'ready'; readonly tcp: number; readonly tls: number }
  | { readonly kind: 'copied'; readonly tookMs: number }

const profile: PipeProfile = JSON.parse(process.argv[2] ?? '')
const HOST = '127.0.0.1'
const TLS = {
  ...profile,
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  rejectUnauthorized: false,
} as const satisfies TlsOptions

/** The first bytes ask for a file by its path; the answer is its bytes. */
const serve = async (socket: Socket): Promise<void> => {
  socket.on('error', () => undefined)
  const [path] = await once(socket, 'data')
  await sendFile(String(path), async (piece) => {
    if (!socket.write(piece)) await once(socket, 'drain')
  })
  socket.end()
}

const copy = async ({ over, port, from, to, size }: PipeOrder): Promise<void> => {
  const socket = over === 'tcp' ? connect(port, HOST) : connectTls({ ...TLS, port, host: HOST })
  await once(socket, over === 'tcp' ? 'connect' : 'secureConnect')
  const sink = createSink(to, size, () => socket.resume())
  socket.on('data', (piece: Uint8Array) => {
    if (!sink.take(piece)) socket.pause()
  })
  socket.write(from)
  await sink.whole
  socket.destroy()
}

const tcp = createServer((socket) => void serve(socket)).listen(0, HOST)
const tls = createTlsServer({ ...TLS, requestCert: true }, (socket) => void serve(socket)).listen(0, HOST)
await Promise.all([once(tcp, 'listening'), once(tls, 'listening')])

const tell = (report: PipeReport): void => tellBench(report)
obey<PipeOrder>(
  async (order) => {
    const at = nowMs()
    await copy(order)
    const tookMs = nowMs() - at
    await removeCopy(order.to)
    tell({ kind: 'copied', tookMs })
  },
  async () => {
    tcp.close()
    tls.close()
  },
)
tell({ kind: 'ready', tcp: (tcp.address() as AddressInfo).port, tls: (tls.address() as AddressInfo).port })
