import { afterEach, describe, expect, test, vi } from 'vitest'
import { type PushParts, startPush } from '../../peer/log/push.ts'
import { encodeRecord, type ParsedRecord } from '../../peer/log/record.ts'
import { openMemberStream } from '../../peer/network/guard.ts'
import { type Refusal, refuse } from '../../shared/errors.ts'
import { roomIdOf } from '../../shared/ids.ts'
import { KIB, PUSH_QUEUE_BYTES } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { pushProtocol } from '../../shared/wire/push.ts'
import { testNetwork } from '../support/certificates.ts'
import { type Authors, createHolder, createWriter, type Holder } from '../support/holder.ts'
import { withFlippedBit } from '../support/records.ts'

// Pushed records over real connections.

const network = testNetwork()
const secret = roomIdOf(network.network, 'secret')
const authors: Authors = new Map()
const made: { stop(): void; readonly holder: Holder }[] = []
afterEach(async () => {
  for (const { stop } of made) stop()
  await Promise.all(made.splice(0).map(({ holder }) => holder[Symbol.asyncDispose]()))
})

const join = async (user: string, changes: Partial<PushParts> = {}) => {
  const holder = await createHolder(network, user, authors)
  const fouls: Refusal[] = []
  const lies: string[] = []
  const unknown: string[] = []
  const push = await startPush({
    node: holder.node,
    network: network.network,
    sessions: holder.sessions,
    ingest: holder.ingest,
    allowance: { spend: () => 0 },
    reaches: () => true,
    onFoul: (refusal) => fouls.push(refusal),
    onLie: (peer) => lies.push(peer),
    onUnknown: (peer, room) => unknown.push(`${peer} ${room}`),
    ...changes,
  })
  const one = { ...holder, push, fouls, lies, unknown, holder, stop: push.stop }
  made.push(one)
  return one
}
const write = (count: number, bodyBytes?: number): Promise<ParsedRecord[]> =>
  createWriter(secret, authors, bodyBytes).write(Array.from({ length: count }, (_, at) => [at, 0]))
const hashes = (records: readonly ParsedRecord[]): string[] => records.map(({ hash }) => hash)
const takes = (who: Holder, records: readonly ParsedRecord[]): Promise<void> =>
  vi.waitFor(() => expect(hashes(who.taken)).toEqual(hashes(records)), 20_000)

test('records reach the members who are here, in their order, and nobody else', async () => {
  const alice = await join('alice', { reaches: (_room, { device }) => device.user !== 'carol' })
  const [bob, carol, dave] = [await join('bob'), await join('carol'), await join('dave')]
  for (const other of [bob, carol, dave]) await alice.meet(other)
  const records = await write(500)
  alice.push.send(records)
  for (const member of [bob, dave]) await takes(member, records)
  expect(carol.taken).toEqual([])
})

test('a member who does not read costs a bounded queue, and nobody waits', async () => {
  const [alice, bob] = [await join('alice'), await join('bob')]
  let release = (): void => undefined
  const stuck = new Promise<void>((resolve) => {
    release = resolve
  })
  const slow = await join('slow')
  const takeOf = slow.ingest.take
  slow.ingest.take = async (record) => {
    await stuck
    return await takeOf(record)
  }
  for (const other of [bob, slow]) await alice.meet(other)
  const records = await write(2_000, 16 * KIB)
  for (let at = 0; at < records.length; at += 50) {
    alice.push.send(records.slice(at, at + 50))
    await vi.waitFor(() => expect(bob.taken.length).toBe(at + 50), 20_000)
  }
  release()
  // What its queue and the windows of its stream held: the first of all, without a gap.
  await vi.waitFor(() => expect(slow.taken.length).toBeGreaterThan(0))
  expect(slow.taken.length * 16 * KIB).toBeLessThan(records.length * 16 * KIB - PUSH_QUEUE_BYTES)
})

test('records of a room that is not known here are a hint that we may be in it', async () => {
  const alice = await join('alice')
  const bob = await join('bob', { ingest: { take: async () => refuse('room-unknown') } })
  await alice.meet(bob)
  alice.push.send(await write(3))
  await vi.waitFor(() => expect(bob.unknown).toEqual([`${alice.device.peerId} ${secret}`]))
})

describe('who pushes', () => {
  const openTo = async (speaker: Holder, listener: Holder) => {
    const stream = await openMemberStream(
      speaker.node,
      speaker.sessions,
      listener.device.peerId,
      pushProtocol(network.network),
    )
    return { stream, frames: openFrames(stream, { maxFrameBytes: 64 * KIB }) }
  }
  const [garbage, tooMany] = [Uint8Array.of(1, 2, 3), 33]

  test('what is no record is told of, and its stream ends', async () => {
    const [mallory, bob] = [await join('mallory'), await join('bob')]
    await mallory.meet(bob)
    const { stream, frames } = await openTo(mallory, bob)
    const ended = new Promise((resolve) => stream.addEventListener('close', resolve))
    await frames.send(garbage)
    await ended
    expect(bob.fouls).toMatchObject([{ code: 'record-malformed' }])
  })

  test('more records in one frame than anybody may is told of, and none is taken', async () => {
    const [mallory, bob] = [await join('mallory'), await join('bob')]
    await mallory.meet(bob)
    const { frames } = await openTo(mallory, bob)
    await frames.send(Buffer.concat((await write(tooMany)).map(({ wire }) => encodeRecord(wire))))
    await vi.waitFor(() => expect(bob.fouls).toMatchObject([{ code: 'record-malformed' }]))
    expect(bob.taken).toEqual([])
  })

  test('forged records is counted for each', async () => {
    const mallory = await join('mallory')
    const bob = await join('bob', { ingest: { take: async () => refuse('record-bad-signature') } })
    await mallory.meet(bob)
    const { frames } = await openTo(mallory, bob)
    const forged = (await write(5)).map(({ hash, wire }) =>
      withFlippedBit({ hash, wire, bytes: new Uint8Array() }, 'signature'),
    )
    await frames.send(Buffer.concat(forged))
    await vi.waitFor(() => expect(bob.lies).toHaveLength(5))
  })

  test('more than it may is read no faster than that', async () => {
    const mallory = await join('mallory')
    const bob = await join('bob', { allowance: { spend: (_peer, kind) => (kind === 'records' ? 3_600_000 : 0) } })
    const [alice, carol] = [await join('alice'), await join('carol')]
    await mallory.meet(bob)
    mallory.push.send(await write(1_000))
    await alice.meet(carol)
    await vi.waitFor(() => expect(bob.taken.length).toBeGreaterThan(0))
    const before = bob.taken.length
    const records = await write(100)
    alice.push.send(records)
    await takes(carol, records)
    expect(bob.taken.length).toBe(before)
    expect(before).toBeLessThanOrEqual(32)
  })
})
