import { expect, test } from 'vitest'
import { type KeyServiceParts, startKeyService } from '../../peer/group/key-service.ts'
import { roomIdOf } from '../../shared/ids.ts'
import { PACE_MAX_MS } from '../../shared/limits.ts'
import { testNetwork } from '../support/certificates.ts'
import { createHolder, createWriter } from '../support/holder.ts'

test('who asks for far too many keys is refused with the reason', async () => {
  const network = testNetwork()
  const authors = new Map<string, string>()
  await using server = await createHolder(network, 'alice', authors)
  await using asker = await createHolder(network, 'bob', authors)
  await server.meet(asker)
  const room = roomIdOf(network.network, 'general')
  const writer = createWriter(room, authors)
  const [record] = await writer.write([[1, 0]])
  if (record === undefined) throw new Error('a record')
  await asker.ingest.take(record)
  const spent: unknown[] = []
  let wait = 0
  const partsOf = ({ node, sessions, records }: typeof server): KeyServiceParts => ({
    node,
    sessions,
    records,
    self: 'bob' as KeyServiceParts['self'],
    clock: { now: () => 0 },
    network: network.network,
    database: { transaction: (work: () => unknown) => work() } as KeyServiceParts['database'],
    group: { flush: () => undefined } as KeyServiceParts['group'],
    allowance: {
      spend: (...of) => {
        spent.push(of)
        return wait
      },
    },
    mayRead: () => null,
    mayHaveKey: () => true,
    note: () => undefined,
    onOpened: () => undefined,
    onFoul: () => undefined,
  })
  await startKeyService(partsOf(server))
  const { ask } = await startKeyService(partsOf(asker))
  expect(await ask(server.device.peerId, room)).toBe(0) // the server has no key for it either
  expect(spent).toEqual([[asker.device.peerId, 'keys', 1]])
  wait = PACE_MAX_MS + 1
  const [late] = await createWriter(room, authors).write([[2, 0]])
  if (late === undefined) throw new Error('a record')
  await asker.ingest.take(late)
  await expect(ask(server.device.peerId, room)).rejects.toMatchObject({ refusal: { code: 'flooding', by: 'there' } })
})
