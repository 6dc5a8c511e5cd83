import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blob, text } from '../../peer/store/database.ts'
import { orThrow } from '../../shared/errors.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import { testNetwork } from '../support/certificates.ts'
import { type Driven, startDriver, writeDriverProfile } from '../support/drivers.ts'
import { queryCopy } from '../support/query.ts'

const KILLS = 15

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

type Said = { readonly id: string; readonly text: string }

/** Talks without a pause until the process is no more, which ends each line with a rejection. @returns what was confirmed as stored */
const talk = async (
  driven: Driven,
  name: string,
  until: { readonly confirmed: number; readonly kill: () => Promise<void> },
) => {
  const confirmed: Said[] = []
  const killed = Promise.withResolvers<void>()
  let killing = false
  const say = async (line: number): Promise<void> => {
    for (let n = 0; ; n++) {
      const words = `${name}-${line}-${n}`
      const id = await driven.do({ do: 'say', text: words })
      confirmed.push({ id: String(id), text: words })
      if (confirmed.length >= until.confirmed && !killing) {
        killing = true
        killed.resolve(until.kill())
      }
    }
  }
  // Several at once, so that some are being stored, some signed, and some sent, whenever the end comes.
  await Promise.allSettled([1, 2, 3, 4].map(say))
  await killed.promise
  return confirmed
}

const messagesOf = (path: string, device: string) =>
  queryCopy(
    path,
    "SELECT hash, seq, header, sealed_key FROM named_records WHERE device = ? AND kind = 'message'",
    device,
  ).map((row) => ({
    hash: text(row.hash),
    header: orThrow(headerCodec.decode(blob(row.header))),
    opened: row.sealed_key !== null,
  }))

test(`a peer that is killed ${KILLS} times while it talks loses nothing that it confirmed, and uses no number twice`, async () => {
  const seed = Number(process.env.LANYARD_SEED ?? Date.now() % 2 ** 31)
  console.log(`crash.test: LANYARD_SEED=${seed}`)
  const random = seeded(seed)
  const network = testNetwork()
  const folder = await mkdtemp(join(tmpdir(), 'lanyard-crash-'))
  const running = new Set<Driven>()
  const start = async (profile: string): Promise<Driven> => {
    const driven = await startDriver(profile)
    running.add(driven)
    return driven
  }
  const kill = async (driven: Driven): Promise<void> => {
    running.delete(driven)
    await driven.kill()
  }
  try {
    const [aliceProfile, bobProfile] = [
      await writeDriverProfile(network, folder, 'alice'),
      await writeDriverProfile(network, folder, 'bob'),
    ]
    let bob = await start(bobProfile)
    const confirmed: Said[] = []
    const fouls: unknown[] = []
    const meet = async (alice: Driven): Promise<void> => {
      const { peer, addresses } = bob.ready
      await alice.do({ do: 'meet', peer, addresses: [...addresses] })
    }
    const watch = (driven: Driven): void => {
      // Listens for ever; it is given up when the process ends.
      driven
        .until((event) => event.kind === 'foul')
        .then(
          (line) => fouls.push(line),
          () => undefined,
        )
    }
    watch(bob)
    for (let round = 0; round < KILLS; round++) {
      const alice = await start(aliceProfile)
      await meet(alice)
      // Now and then it is the reader who dies, in the middle of what comes in.
      const readerToo = round % 3 === 2
      const said = await talk(alice, `round${round}`, {
        confirmed: random(60),
        kill: async () => {
          await new Promise((resolve) => setTimeout(resolve, random(20)))
          await Promise.all(readerToo ? [kill(alice), kill(bob)] : [kill(alice)])
        },
      })
      confirmed.push(...said)
      if (readerToo) {
        bob = await start(bobProfile)
        watch(bob)
      }
    }
    const alice = await start(aliceProfile)
    await meet(alice)
    const all = { do: 'history', limit: 1_000_000 } as const
    const ids = (history: unknown): string[] =>
      (history as { readonly id: string; readonly content: { readonly text?: string } | null }[])
        .filter(({ content }) => content !== null)
        .map(({ id, content }) => `${id} ${content?.text}`)
    const expected = confirmed.map(({ id, text }) => `${id} ${text}`)
    expect(ids(await alice.do(all))).toEqual(expect.arrayContaining(expected))
    await expect.poll(async () => ids(await bob.do(all))).toEqual(expect.arrayContaining(expected))

    const device = alice.ready.peer
    await Promise.all([alice.stop(), bob.stop()])
    running.clear()
    const [own, theirs] = ['alice', 'bob'].map((name) => messagesOf(join(folder, `${name}.db`), device))
    expect(fouls).toEqual([])
    expect(queryCopy(join(folder, 'bob.db'), 'SELECT * FROM equivocations')).toEqual([])
    for (const messages of [own ?? [], theirs ?? []]) {
      const indices = messages.map(
        ({ header }) => `${Buffer.from(header.inc).toString('hex')} ${header.key?.epoch} ${header.key?.index}`,
      )
      expect(new Set(indices).size).toBe(messages.length)
      expect(messages.every(({ opened }) => opened)).toBe(true)
    }
    // Number by number the same records on both sides: what was sent before a crash is what is there after it.
    expect(theirs?.map(({ hash }) => hash).sort()).toEqual(own?.map(({ hash }) => hash).sort())
    console.log(`crash.test: ${confirmed.length} confirmed, ${own?.length} stored`)
  } finally {
    await Promise.all([...running].map((driven) => driven.kill()))
    await rm(folder, { recursive: true, force: true })
  }
}, 600_000)
