import { beforeAll, describe, expect, test } from 'vitest'
import { gossipIdOf, joinGossip, publishRecords } from '../../peer/log/gossip.ts'
import { type ParsedRecord, parseRecord } from '../../peer/log/record.ts'
import type { Allowance } from '../../peer/network/allowance.ts'
import { orThrow, type Refusal, refuse } from '../../shared/errors.ts'
import { type PeerId, type RoomId, roomIdOf } from '../../shared/ids.ts'
import { GOSSIP_MAX_BYTES, GOSSIP_MAX_RECORDS } from '../../shared/limits.ts'
import type { Gossip, GossipOpinion } from '../../shared/network/gossip.ts'
import { newKey, testNetwork } from '../support/certificates.ts'
import { createPen, withFlippedBit } from '../support/records.ts'

const { network, issue } = testNetwork()
const general = roomIdOf(network, 'general')
const other = roomIdOf(network, 'other')
const key = newKey()
const pen = createPen({ key, certificate: issue({ user: 'alice', key }) })
const write = async (room: RoomId, bytes = 200): Promise<ParsedRecord> => {
  const body = new Uint8Array(bytes)
  const messageKey = { epoch: 0, index: 0, commitment: new Uint8Array(32) }
  const { bytes: record } = await pen.write({ room, kind: 'message', body, key: messageKey })
  return orThrow(parseRecord(record))
}

type Judge = Parameters<Gossip['subscribe']>[1]

/** A wire between `publishRecords` and one reader of #general. */
const reader = (
  outcomeOf: (record: ParsedRecord) => 'stored' | Refusal = () => 'stored',
  spend: Allowance['spend'] = () => 0,
) => {
  const sent: { readonly topic: string; readonly data: Uint8Array }[] = []
  const taken: ParsedRecord[] = []
  const fouls: Refusal[] = []
  const lies: PeerId[] = []
  let judge: Judge = async () => 'drop'
  const gossip: Gossip = {
    service: () => {
      throw new Error('no network here')
    },
    connect: () => undefined,
    disconnect: () => undefined,
    subscribe: (_topic, given) => {
      judge = given
    },
    unsubscribe: () => undefined,
    publish: async (topic, data) => void sent.push({ topic, data }),
  }
  const take = async (record: ParsedRecord): Promise<'stored' | Refusal> => {
    taken.push(record)
    return outcomeOf(record)
  }
  const ingest = { take, idle: async () => undefined }
  const onFoul = (refusal: Refusal): void => void fouls.push(refusal)
  const onLie = (peer: PeerId): void => void lies.push(peer)
  joinGossip({ gossip, network, ingest, onFoul, onLie, allowance: { spend } }, general)
  const opinions = (): Promise<GossipOpinion[]> => Promise.all(sent.map(({ data }) => judge(data, 'bob' as PeerId)))
  return {
    sent,
    taken,
    fouls,
    lies,
    opinions,
    publish: (some: readonly ParsedRecord[]) => publishRecords(gossip, network, some),
  }
}

let burst: ParsedRecord[]
beforeAll(async () => {
  burst = []
  for (let at = 0; at < 2 * GOSSIP_MAX_RECORDS + 1; at++) burst.push(await write(general))
})

describe('a burst', () => {
  test('goes out in few messages, and comes in whole and in order', async () => {
    const { sent, taken, publish, opinions } = reader()
    await publish(burst)
    expect(sent).toHaveLength(3)
    expect(await opinions()).toEqual(['pass', 'pass', 'pass'])
    expect(taken.map(({ hash }) => hash)).toEqual(burst.map(({ hash }) => hash))
  })

  test('of large records makes no message larger than the limit, unless one record alone is', async () => {
    const { sent, publish, taken, opinions } = reader()
    const large = [await write(general, 40_000), await write(general, 20_000), await write(general, 30_000)]
    await publish(large)
    expect(sent).toHaveLength(2)
    for (const { data } of sent) expect(data.byteLength).toBeLessThanOrEqual(GOSSIP_MAX_BYTES)
    await opinions()
    expect(taken).toHaveLength(3)
  })

  test('in two rooms makes a message for each', async () => {
    const { sent, publish } = reader()
    await publish([await write(general), await write(other), await write(general)])
    expect(sent.map(({ topic }) => topic.slice(-64))).toEqual([general, other])
  })

  test('that is longer than anybody may send is foul, and nothing of it is taken', async () => {
    const { sent, publish, taken, fouls, opinions } = reader()
    await publish(burst.slice(0, GOSSIP_MAX_RECORDS))
    const [message] = sent
    const extra = new Uint8Array(await publishedAlone(burst[GOSSIP_MAX_RECORDS]))
    if (message !== undefined) sent[0] = { ...message, data: Buffer.concat([message.data, extra]) }
    expect(await opinions()).toEqual(['foul'])
    expect(fouls).toMatchObject([{ code: 'record-malformed' }])
    expect(taken).toEqual([])
  })
})

const publishedAlone = async (record: ParsedRecord | undefined): Promise<Uint8Array> => {
  const { sent, publish } = reader()
  await publish(record === undefined ? [] : [record])
  return sent[0]?.data ?? new Uint8Array()
}

describe('what a member thinks of a message', () => {
  const of = async (...outcomes: readonly ('stored' | Refusal)[]): Promise<GossipOpinion[]> => {
    const left = [...outcomes]
    const { publish, opinions } = reader(() => left.shift() ?? 'stored')
    await publish(burst.slice(0, outcomes.length))
    return await opinions()
  }

  test('passes on what has anything new', async () =>
    expect(await of(refuse('record-replayed'), 'stored')).toEqual(['pass']))
  test('lets lie what has nothing new', async () =>
    expect(await of(refuse('record-replayed'), refuse('record-replayed'))).toEqual(['drop']))
  test('counts one forged record against who sent it, whatever stands beside it', async () =>
    expect(await of('stored', refuse('record-bad-signature'))).toEqual(['foul']))
})

test('a spoilt copy of a record has another id than the record: it keeps out nothing', async () => {
  const { bytes, ...record } = await pen.write({ room: other, kind: 'sender-key', body: new Uint8Array(1) })
  const spoilt = withFlippedBit({ bytes, ...record }, 'signature')
  expect(orThrow(parseRecord(spoilt)).hash).toBe(record.hash)
  expect(gossipIdOf(spoilt)).not.toEqual(gossipIdOf(bytes))
})
