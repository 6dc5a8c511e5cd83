import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import { CHUNK_BYTES } from '../../shared/limits.ts'
import { testNetwork } from '../support/certificates.ts'
import { type Driven, startDriver, writeDriverProfile } from '../support/drivers.ts'

// Each kill costs the start of a process: 20 by default; LANYARD_KILLS=100 is the full measure.
const KILLS = Number(process.env.LANYARD_KILLS ?? 20)
const CHUNKS = Math.max(64, KILLS * 4)

/** Numbers from a seed (mulberry32), so that a failure can be played again: LANYARD_SEED=… */
const seeded = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const digestOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece)
  return hash.digest('hex')
}
const writeRandom = async (path: string): Promise<void> => {
  await using file = await open(path, 'w')
  for (let at = 0; at < CHUNKS; at++) await file.write(randomBytes(CHUNK_BYTES))
}
const bytesOf = (event: PeerEvent): number =>
  event.kind === 'file' && event.progress.state === 'fetching' ? event.progress.bytes : -1
const isWhole = (event: PeerEvent): boolean => event.kind === 'file' && event.progress.state === 'whole'

test(
  `a file arrives whole though sender and receiver are killed ${KILLS} times, and no more than 2 chunks come twice a kill`,
  async () => {
    const seed = Number(process.env.LANYARD_SEED ?? Date.now() % 2 ** 31)
    console.log(`file-kills.test: LANYARD_SEED=${seed}`)
    const random = seeded(seed)
    const network = testNetwork()
    const folder = await mkdtemp(join(tmpdir(), 'lanyard-kills-'))
    const running = new Set<Driven>()
    const start = async (profile: string, other: Driven | null): Promise<Driven> => {
      const driven = await startDriver(profile)
      running.add(driven)
      if (other !== null) await driven.do({ do: 'meet', peer: other.ready.peer, addresses: [...other.ready.addresses] })
      return driven
    }
    /** What the receiver tells: how far it was at the end of its last life, and all that has come in its lives. */
    let reached = 0
    let came = 0
    const listen = (receiver: Driven): void => {
      let begun: number | null = reached === 0 ? 0 : null
      const hear = (event: PeerEvent): false => {
        const bytes = bytesOf(event)
        if (begun === null && bytes > 0) {
          begun = bytes // what it had kept
          expect(reached - bytes).toBeLessThanOrEqual(2 * CHUNK_BYTES)
          reached = bytes
        }
        if (begun !== null && bytes > reached) {
          came += bytes - reached
          reached = bytes
        }
        return false
      }
      void receiver.until(hear).catch(() => undefined)
    }
    try {
      const path = join(folder, 'large.bin')
      await writeRandom(path)
      // Slow enough that every kill meets it on its way.
      const options = { bytesPerSecond: 24 * CHUNK_BYTES }
      const profiles = {
        sender: await writeDriverProfile(network, folder, 'alice', options),
        receiver: await writeDriverProfile(network, folder, 'bob', options),
      }
      let sender = await start(profiles.sender, null)
      let receiver = await start(profiles.receiver, sender)
      listen(receiver)
      const id = String(await sender.do({ do: 'send', path }))
      await receiver.until((event) => event.kind === 'message' && event.message.id === id)
      await receiver.do({ do: 'fetch', id })
      let kills = 0
      for (; kills < KILLS; kills++) {
        const goal = reached + random(3) * CHUNK_BYTES
        const gone = await Promise.race([
          receiver.until((event) => bytesOf(event) >= goal && bytesOf(event) > 0).then(() => false),
          receiver.until(isWhole).then(() => true),
        ])
        if (gone) break
        await new Promise((resolve) => setTimeout(resolve, random(60)))
        const victim = random(2) === 0 ? sender : receiver
        running.delete(victim)
        await victim.kill()
        if (victim === sender) sender = await start(profiles.sender, receiver)
        else {
          receiver = await start(profiles.receiver, sender)
          listen(receiver)
        }
      }
      const { event } = await receiver.until(isWhole)
      const landed = event.kind === 'file' ? (event.progress.path ?? '') : ''
      expect(await digestOf(landed)).toBe(await digestOf(path))
      expect(await readdir(join(folder, 'bob-downloads'))).toEqual(['large.bin'])
      const twice = Math.max(0, came / CHUNK_BYTES - CHUNKS)
      console.log(`file-kills.test: ${kills} kills over ${CHUNKS} chunks, ${twice} of them came twice`)
      expect(twice).toBeLessThanOrEqual(2 * kills)
      expect(kills).toBeGreaterThan(KILLS / 2)
    } finally {
      await Promise.all([...running].map((one) => one.kill()))
      await rm(folder, { recursive: true, force: true })
    }
  },
  60_000 + KILLS * 30_000,
)
