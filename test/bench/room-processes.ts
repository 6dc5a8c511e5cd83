import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Metrics, median, metric, nowMs, percentile, withAim } from './figures.ts'
import type { Floor } from './floor.ts'
import { type PeerChild, startBare, startCompany } from './pairs.ts'

const SIZES = [2, 8]
const TEXT_BYTES = 200
const WARM_UP = 1_000
const ALONE = 100 // messages, one at a time
const STREAM_COUNT = 5_000 // texts of all together
const WINDOW = 256

/**
 * A private room of real processes on loopback, which share the cores of this machine: from `say()` in one to the event in
 * each of the others, one message at a time and as a stream of one and of all, beside the echo of as many bytes by libp2p alone.
 */
export const roomProcesses = async (folder: string, floor: Floor, say: (line: string) => void): Promise<Metrics> => {
  let all: Metrics = {}
  for (const size of SIZES) {
    const below = join(folder, `room-of-${size}`)
    await mkdir(below)
    const users = Array.from({ length: size }, (_, at) => `member-${at}`)
    await using company = await startCompany(below, users)
    await meetInRoom(company.peers, users)
    all = { ...all, ...(await figuresOf(company.peers, floor)) }
    say(`${size} processes: ${Math.round(all[`roomMessagesPerSecond${size}`]?.value ?? 0)} messages/s`)
  }
  return all
}

const meetInRoom = async (peers: readonly PeerChild[], users: readonly string[]): Promise<void> => {
  peers[0]?.tell({ do: 'found', users: users.slice(1) })
  const { room } = (await peers[0]?.next('founded')) ?? {}
  if (room === undefined) throw new Error('nobody founded the room')
  for (const peer of peers) peer.tell({ do: 'enter', room, members: peers.length })
  await Promise.all(peers.map((peer) => peer.next('entered')))
}

const figuresOf = async (peers: readonly PeerChild[], floor: Floor): Promise<Metrics> => {
  const size = peers.length
  const speakers = peers.slice(0, 1)
  for (const speaker of peers) await stream([speaker], peers, WARM_UP / size)
  const echoes = await echo()
  const alone: number[] = []
  for (let at = 0; at < ALONE; at++) alone.push(...(await sayOne(peers)))
  await usageOf(peers)
  const rates: number[] = []
  for (let round = 0; round < 3; round++) rates.push(await stream(speakers, peers, STREAM_COUNT))
  const usage = await usageOf(peers)
  const ofAll = await stream(peers, peers, STREAM_COUNT / size)
  const rate = metric(median(rates), '1/s', 1_000 / floor.signMs)
  return {
    [`roomMessageP50Ms${size}`]: metric(median(alone), 'ms', median(echoes)),
    [`roomMessageP99Ms${size}`]: metric(percentile(alone, 0.99), 'ms', percentile(echoes, 0.99)),
    [`roomMessagesPerSecond${size}`]: size === 8 ? withAim(rate, '≥', 1_500) : rate,
    [`roomAllSpeakPerSecond${size}`]: metric(ofAll, '1/s', 1_000 / floor.signMs),
    [`roomCpuMsPerDelivery${size}`]: metric(usage.cpuMs / (3 * STREAM_COUNT * (size - 1)), 'ms', floor.verifyMs),
    [`roomStreamStallMs${size}`]: metric(usage.stallMs, 'ms', floor.idleStallMs),
    [`roomMemoryMiB${size}`]: metric(usage.rssBytes / 2 ** 20, 'MiB'),
  }
}

const echo = async (): Promise<readonly number[]> => {
  await using bare = await startBare()
  bare.dialer.tell({ do: 'echo', count: 200, bytes: TEXT_BYTES })
  await bare.dialer.next('echoed')
  bare.dialer.tell({ do: 'echo', count: 200, bytes: TEXT_BYTES })
  return (await bare.dialer.next('echoed')).tookMs
}

const sayOne = async ([speaker, ...readers]: readonly PeerChild[]): Promise<number[]> => {
  speaker?.tell({ do: 'say', text: 'x'.repeat(TEXT_BYTES) })
  const [said, ...heard] = await Promise.all([speaker?.next('said'), ...readers.map((reader) => reader.next('heard'))])
  return heard.map(({ at }) => at - (said?.at ?? 0))
}

/** Messages a second, until the last of the peers has the last one of another; each speaker says `count`. */
const stream = async (speakers: readonly PeerChild[], peers: readonly PeerChild[], count: number): Promise<number> => {
  const each = Math.ceil(count)
  const readers = peers.filter((peer) => speakers.length > 1 || peer !== speakers[0])
  const others = speakers.length - (speakers.length > 1 ? 1 : 0)
  for (const reader of readers) reader.tell({ do: 'expect', count: each * others })
  const began = nowMs()
  for (const speaker of speakers) speaker.tell({ do: 'stream', count: each, bytes: TEXT_BYTES, window: WINDOW })
  await Promise.all(speakers.map((speaker) => speaker.next('said')))
  const heard = await Promise.all(readers.map((reader) => reader.next('heard-all')))
  return ((each * speakers.length) / (Math.max(...heard.map(({ at }) => at)) - began)) * 1_000
}

const usageOf = async (peers: readonly PeerChild[]) => {
  for (const peer of peers) peer.tell({ do: 'usage' })
  const all = await Promise.all(peers.map((peer) => peer.next('usage')))
  return {
    cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    stallMs: Math.max(...all.map(({ stallMs }) => stallMs)),
    rssBytes: Math.max(...all.map(({ rssBytes }) => rssBytes)),
  }
}
