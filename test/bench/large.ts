import { spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../support/enrolment.ts'
import { type Bench, metric } from './figures.ts'
import { startPeers } from './pairs.ts'

const GIB = 1024 ** 3
const SIZE_GIB = Number(process.env.LANYARD_GIB ?? 20)
const ISLAND_BYTES = 3_000_000

/**
 * A very large file, almost all of it a hole, from one process to another: every chunk of it is hashed, sealed, sent, opened
 * and hashed. In each GiB lie some bytes that are no zeros. `cmp` compares the two files, since it is not of ours.
 */
export const large: Bench = async (say) => {
  const folder = await temporaryFolder()
  try {
    const path = join(folder.path, 'image.bin')
    await writeSparse(path)
    await using peers = await startPeers(folder.path)
    peers.alice.tell({ do: 'offer', path })
    const [{ tookMs: offerMs }] = await Promise.all([peers.alice.next('offered'), peers.bob.next('offer')])
    say(`${SIZE_GIB} GiB are offered`)
    peers.bob.tell({ do: 'fetch' })
    const whole = await peers.bob.next('whole')
    const { status } = spawnSync('cmp', [path, whole.path], { stdio: 'inherit' })
    if (status !== 0) throw new Error('what came is not what was sent')
    for (const peer of [peers.alice, peers.bob]) peer.tell({ do: 'measure' })
    const [sender, receiver] = await Promise.all([peers.alice.next('measured'), peers.bob.next('measured')])
    return {
      largeGiB: metric(SIZE_GIB, 'GiB'),
      largeOfferSeconds: metric((offerMs ?? 0) / 1_000, 's'),
      largeMBps: metric((SIZE_GIB * GIB) / 1_000 / whole.tookMs, 'MB/s'),
      largeOnDiskMiB: metric((await stat(whole.path)).blocks / 2_048, 'MiB', (await stat(path)).blocks / 2_048),
      largeSenderMemoryMB: metric(sender.peakMB, 'MB'),
      largeReceiverMemoryMB: metric(receiver.peakMB, 'MB'),
    }
  } finally {
    await folder.remove()
  }
}

const writeSparse = async (path: string): Promise<void> => {
  await using file = await open(path, 'w')
  await file.truncate(SIZE_GIB * GIB)
  const island = randomFillSync(new Uint8Array(ISLAND_BYTES))
  for (let at = 0; at < SIZE_GIB; at++) await file.write(island, 0, island.byteLength, at * GIB + at * 12_345_678)
}
