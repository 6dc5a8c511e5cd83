import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { test } from 'vitest'
import { type Host, namespacesUnable } from './lan.ts'

const unable = namespacesUnable ?? (spawnSync('tcpdump', ['--version']).status === 0 ? null : 'no tcpdump program')
if (unable !== null && process.env.LANYARD_CI !== '1')
  console.warn(`skipped: the tests that capture traffic in network namespaces: ${unable}`)

/** A test that runs tcpdump in a namespace: skipped without either, but not in CI (LANYARD_CI=1), where it then fails. */
export const testWithTcpdump = test.skipIf(unable !== null && process.env.LANYARD_CI !== '1')

/** What went over a wire: one run of bytes for each direction of each connection, and whatever else there was. */
export type Capture = readonly Uint8Array[]

/** Records all that a machine sends and receives, from when this resolves on. */
export const startTcpdump = async (
  host: Pick<Host, 'spawn'>,
  device: string,
  filter = '',
): Promise<{ stop(): Promise<Uint8Array> }> => {
  // -p: as every other program hears it; whole packets, each as it comes.
  const args = [
    '-i',
    device,
    '-p',
    '-s',
    '0',
    '-U',
    '--immediate-mode',
    '-w',
    '-',
    ...filter.split(' ').filter(Boolean),
  ]
  const child = host.spawn('tcpdump', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const pieces: Buffer[] = []
  child.stdout?.on('data', (piece: Buffer) => pieces.push(piece))
  const ended = once(child, 'close')
  let said = ''
  const listening = new Promise<void>((resolve) => {
    child.stderr?.on('data', (data) => {
      said += String(data)
      if (said.includes('listening on')) resolve()
    })
  })
  const died = ended.then(() => Promise.reject(new Error(`tcpdump: ${said}`)))
  died.catch(() => undefined)
  await Promise.race([listening, died])
  return {
    stop: async () => {
      child.kill('SIGINT')
      await ended
      return new Uint8Array(Buffer.concat(pieces))
    },
  }
}

const FILE_HEADER_BYTES = 24
const PACKET_HEADER_BYTES = 16
const ETHERNET_BYTES = 14
const IPV4 = 0x0800
const TCP = 6

/** How many packets a pcap file holds. */
export const packetsIn = (pcap: Uint8Array): number => [...packets(pcap)].length

/** The TCP payloads of a pcap file of Ethernet, joined: a text that is cut in two by packets is whole again here. */
export const connectionsIn = (pcap: Uint8Array): Capture => {
  const runs = new Map<string, Buffer[]>()
  for (const packet of packets(pcap)) {
    if (packet.length < ETHERNET_BYTES + 20 || packet.readUInt16BE(12) !== IPV4) continue
    const ip = packet.subarray(ETHERNET_BYTES)
    const headerBytes = ((ip[0] ?? 0) & 0x0f) * 4
    const segment = ip.subarray(headerBytes, ip.readUInt16BE(2))
    if (ip[9] !== TCP || segment.length < 20) continue
    const payload = segment.subarray(((segment[12] ?? 0) >> 4) * 4)
    const flow = `${ip.toString('hex', 12, 20)} ${segment.toString('hex', 0, 4)}`
    runs.set(flow, [...(runs.get(flow) ?? []), payload])
  }
  return [...runs.values()].map((pieces) => new Uint8Array(Buffer.concat(pieces)))
}

const packets = function* (pcap: Uint8Array): Generator<Buffer> {
  const file = Buffer.from(pcap.buffer, pcap.byteOffset, pcap.byteLength)
  if (file.length === 0) return
  const little = file.readUInt32LE(0) === 0xa1b2c3d4
  for (let at = FILE_HEADER_BYTES; at + PACKET_HEADER_BYTES <= file.length; ) {
    const length = little ? file.readUInt32LE(at + 8) : file.readUInt32BE(at + 8)
    yield file.subarray(at + PACKET_HEADER_BYTES, at + PACKET_HEADER_BYTES + length)
    at += PACKET_HEADER_BYTES + length
  }
}

export type Proxy = AsyncDisposable & {
  /** The TCP port on 127.0.0.1 that leads to the target. */
  readonly port: number
  capture(): Capture
}

/** A TCP proxy on loopback that keeps what passes. */
export const startProxy = async (targetPort: number): Promise<Proxy> => {
  const runs: Buffer[][] = []
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket): void => {
    const run: Buffer[] = []
    runs.push(run)
    sockets.add(from)
    from.on('data', (piece: Buffer) => run.push(piece))
    from.on('error', () => to.destroy())
    from.pipe(to)
  }
  const server = createServer({ noDelay: true }, (near) => {
    const far = createConnection({ port: targetPort, host: '127.0.0.1', noDelay: true })
    pass(near, far)
    pass(far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    capture: () => runs.map((pieces) => new Uint8Array(Buffer.concat(pieces))),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
