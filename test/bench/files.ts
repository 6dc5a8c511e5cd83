import { spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { temporaryFolder } from '../support/enrolment.ts'
import { type Bench, type Metric, type Metrics, median, metric, withAim, withRatioAim } from './figures.ts'
import type { BareChild } from './pairs.ts'
import { type PeerChild, startBare, startPeers, startPipes, startRoads } from './pairs.ts'

const MIB = 1024 * 1024
const SIZE_BYTES = 1024 * MIB
const WARM_UP_BYTES = 128 * MIB
const ROUNDS = 3
// A virtual machine gives the memory of a removed copy back to its host; whoever came at once would find it still there.
const SETTLE_MS = 3_000
const SMALL_FILES = 1_000
const SMALL_BYTES = 16 * 1024

/** One way for a file from one process to the other. @returns milliseconds */
type Way = (path: string, size: number) => Promise<number>

/**
 * A 1 GiB file between two processes on loopback, by every way in turn, in each round. To the disk: ours from `fetchFile()`
 * until it has its name, every chunk sealed, opened and hashed at both sides, and synced; the others only copy, and sync.
 * And to nowhere: ours opened and verified, the others only counted. All read from the disk's cache.
 * The offer, which hashes the file once, is told apart: by the time that somebody fetches, it is done.
 */
export const files: Bench = async (say) => {
  const folder = await temporaryFolder()
  try {
    await using pipes = await startPipes()
    await using bare = await startBare()
    await using tuned = await startBare({ tuned: true })
    await using roads = await startRoads(true)
    await using streams = await startRoads(false)
    await using peers = await startPeers(folder.path)
    const path = join(folder.path, 'file.bin')
    const copy = join(folder.path, 'copy.bin')

    const pipe =
      (over: 'tcp' | 'tls', to: string | null): Way =>
      async (from, size) => {
        pipes.receiver.tell({ do: 'copy', over, port: pipes.ports[over], from, to, size })
        return (await pipes.receiver.next('copied')).tookMs
      }
    const stream =
      (dialer: BareChild, to: string | null): Way =>
      async (from, size) => {
        dialer.tell({ do: 'copy', from, to, size })
        return (await dialer.next('copied')).tookMs
      }
    const drain =
      ({ holder, fetcher }: typeof roads): Way =>
      async (from) => {
        holder.tell({ do: 'hold', path: from })
        const { kind: _kind, ...offered } = await holder.next('held')
        fetcher.tell({ do: 'drain', ...offered })
        return (await fetcher.next('drained')).tookMs
      }
    const offers: number[] = []
    const cpuSeconds: { readonly sender: number; readonly receiver: number }[] = []
    const fetched: Way = async (from) => {
      peers.alice.tell({ do: 'offer', path: from })
      const [{ tookMs: offerMs }] = await Promise.all([peers.alice.next('offered'), peers.bob.next('offer')])
      if (offerMs === null) throw new Error('the file was not offered')
      offers.push(offerMs / 1_000)
      await setTimeout(SETTLE_MS) // the offer was work too
      const [sender, receiver] = [await usageOf(peers.alice), await usageOf(peers.bob)]
      peers.bob.tell({ do: 'fetch' })
      const whole = await peers.bob.next('whole')
      cpuSeconds.push({
        sender: ((await usageOf(peers.alice)).cpuMs - sender.cpuMs) / 1_000,
        receiver: ((await usageOf(peers.bob)).cpuMs - receiver.cpuMs) / 1_000,
      })
      peers.bob.tell({ do: 'remove', path: whole.path })
      await peers.bob.next('removed')
      return whole.tookMs
    }
    const ways = {
      fileMBps: fetched,
      rawTcpMBps: pipe('tcp', copy),
      rawTlsMBps: pipe('tls', copy),
      bareStreamMBps: stream(bare.dialer, copy),
      tunedStreamMBps: stream(tuned.dialer, copy),
      unwrittenFileMBps: drain(roads),
      unwrittenFallbackMBps: drain(streams),
      unwrittenTcpMBps: pipe('tcp', null),
      unwrittenTlsMBps: pipe('tls', null),
      unwrittenStreamMBps: stream(bare.dialer, null),
      unwrittenTunedMBps: stream(tuned.dialer, null),
    } satisfies Record<string, Way>
    type Name = keyof typeof ways
    const names = Object.keys(ways) as Name[]
    const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>

    await writeRandom(path, WARM_UP_BYTES)
    for (const name of names) await ways[name](path, WARM_UP_BYTES)
    offers.length = 0
    cpuSeconds.length = 0
    for (let round = 1; round <= ROUNDS; round++) {
      await writeRandom(path, SIZE_BYTES) // another each time: what is held already would not be fetched
      for (const name of names) {
        await setTimeout(SETTLE_MS)
        rates[name].push(rate(SIZE_BYTES, await ways[name](path, SIZE_BYTES)))
      }
      const told = names.map((name) => `${name.replace('MBps', '')} ${rates[name].at(-1)?.toFixed(0)}`)
      say(`round ${round} of ${ROUNDS}, MB/s: ${told.join(', ')}`)
    }
    const many = await manyFiles(peers, folder.path, say)
    const of = (name: Name): number => median(rates[name])
    const beside = (name: Name, baseline: Name, aim: number): Metric =>
      withRatioAim(metric(of(name), 'MB/s', of(baseline)), '≥', aim)
    const plain = (name: Name): Metrics => ({ [name]: metric(of(name), 'MB/s') })
    const memory = Math.max((await usageOf(peers.alice)).peakMB, (await usageOf(peers.bob)).peakMB)
    return {
      fileMBps: beside('fileMBps', 'rawTcpMBps', 0.9),
      ...plain('rawTcpMBps'),
      ...plain('rawTlsMBps'),
      ...plain('bareStreamMBps'),
      ...plain('tunedStreamMBps'),
      unwrittenFileMBps: beside('unwrittenFileMBps', 'unwrittenTcpMBps', 0.6),
      ...plain('unwrittenTcpMBps'),
      ...plain('unwrittenTlsMBps'),
      ...plain('unwrittenStreamMBps'),
      unwrittenFallbackMBps: beside('unwrittenFallbackMBps', 'unwrittenTunedMBps', 0.9),
      ...plain('unwrittenTunedMBps'),
      fileOfferSeconds: metric(median(offers), 's'),
      manyFilesSeconds: withRatioAim(metric(median(many.folder), 's', median(many.single)), '≤', 3),
      memoryMB: withAim(metric(memory, 'MB'), '≤', 200),
      senderCpuSeconds: metric(median(cpuSeconds.map(({ sender }) => sender)), 's'),
      receiverCpuSeconds: metric(median(cpuSeconds.map(({ receiver }) => receiver)), 's'),
    }
  } finally {
    await folder.remove()
  }
}

/** Folders of small files, from the fetch until each has its name; and the same bytes in one file. In seconds. */
const manyFiles = async (
  { alice, bob }: Awaited<ReturnType<typeof startPeers>>,
  folder: string,
  say: (line: string) => void,
) => {
  const fetched = async (path: string): Promise<number> => {
    spawnSync('sync') // what we have just written is not to be the disk's work meanwhile
    alice.tell({ do: 'offer', path })
    await Promise.all([alice.next('offered'), bob.next('offer')])
    await setTimeout(SETTLE_MS)
    bob.tell({ do: 'fetch' })
    return (await bob.next('whole')).tookMs / 1_000
  }
  const times = { folder: [] as number[], single: [] as number[] }
  for (let round = 1; round <= ROUNDS; round++) {
    const [path, single] = [join(folder, `small-${round}`), join(folder, `single-${round}`)]
    await mkdir(path)
    const bytes = new Uint8Array(SMALL_BYTES)
    for (let at = 0; at < SMALL_FILES; at++) await writeFile(join(path, `${at}.bin`), randomFillSync(bytes))
    await writeFile(single, randomFillSync(new Uint8Array(SMALL_FILES * SMALL_BYTES)))
    times.single.push(await fetched(single))
    times.folder.push(await fetched(path))
    say(
      `${SMALL_FILES} files of ${SMALL_BYTES / 1024} KiB: ${times.folder.at(-1)?.toFixed(2)} s, as one: ${times.single.at(-1)?.toFixed(2)} s`,
    )
  }
  return times
}

const usageOf = (peer: PeerChild) => {
  peer.tell({ do: 'measure' })
  return peer.next('measured')
}

/** Megabytes (10^6) a second. */
const rate = (bytes: number, tookMs: number): number => bytes / 1_000 / tookMs

const writeRandom = async (path: string, size: number): Promise<void> => {
  await using file = await open(path, 'w')
  const piece = new Uint8Array(MIB)
  for (let at = 0; at < size; at += piece.byteLength) await file.write(randomFillSync(piece))
  await file.sync()
}
