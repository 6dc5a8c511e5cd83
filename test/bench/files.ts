import { randomFillSync } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../support/enrolment.ts'
import { type Bench, median, metric } from './figures.ts'
import { startBare, startPeers } from './pairs.ts'

const MIB = 1024 * 1024
const SIZE_BYTES = 1024 * MIB
const WARM_UP_BYTES = 128 * MIB
const ROUNDS = 3

/**
 * A 1 GiB file from disk to disk between two processes on loopback: ours from `fetchFile()` until it has its name (every chunk
 * sealed, opened, hashed at both sides, and synced), beside a bare libp2p stream that only copies (and syncs).
 * The offer, which hashes the file once, is told apart: by the time that somebody fetches, it is done.
 */
export const files: Bench = async (say) => {
  const folder = await temporaryFolder()
  try {
    await using bare = await startBare()
    await using peers = await startPeers(folder.path)
    const path = join(folder.path, 'file.bin')
    const copied = async (size: number): Promise<number> => {
      bare.dialer.tell({ do: 'copy', from: path, to: join(folder.path, 'copy.bin'), size })
      return rate(size, (await bare.dialer.next('copied')).tookMs)
    }
    const fetched = async (size: number): Promise<{ readonly mbps: number; readonly offerMs: number }> => {
      peers.alice.tell({ do: 'offer', path })
      const [{ tookMs: offerMs }] = await Promise.all([peers.alice.next('offered'), peers.bob.next('offer')])
      peers.bob.tell({ do: 'fetch' })
      const whole = await peers.bob.next('whole')
      peers.bob.tell({ do: 'remove', path: whole.path })
      await peers.bob.next('removed')
      return { mbps: rate(size, whole.tookMs), offerMs }
    }
    await writeRandom(path, WARM_UP_BYTES)
    await copied(WARM_UP_BYTES)
    await fetched(WARM_UP_BYTES)
    const theirs: number[] = []
    const ours: number[] = []
    const offers: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      await writeRandom(path, SIZE_BYTES) // another each time: what is held already would not be fetched
      theirs.push(await copied(SIZE_BYTES))
      const { mbps, offerMs } = await fetched(SIZE_BYTES)
      ours.push(mbps)
      offers.push(offerMs / 1_000)
      say(`round ${round} of ${ROUNDS}: ${mbps.toFixed(0)} MB/s beside ${theirs.at(-1)?.toFixed(0)} MB/s`)
    }
    return {
      fileMBps: metric(median(ours), 'MB/s', median(theirs)),
      bareStreamMBps: metric(median(theirs), 'MB/s'),
      fileOfferSeconds: metric(median(offers), 's'),
    }
  } finally {
    await folder.remove()
  }
}

/** Megabytes (10^6) a second. */
const rate = (bytes: number, tookMs: number): number => bytes / 1_000 / tookMs

const writeRandom = async (path: string, size: number): Promise<void> => {
  await using file = await open(path, 'w')
  const piece = new Uint8Array(MIB)
  for (let at = 0; at < size; at += piece.byteLength) await file.write(randomFillSync(piece))
  await file.sync()
}
