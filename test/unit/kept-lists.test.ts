import { expect, test } from 'vitest'
import { stillKept } from '../../peer/network/kept-lists.ts'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { type RevocationList, readRevocationList } from '../../shared/certificate/revocation-list.ts'
import { orThrow } from '../../shared/errors.ts'
import { CERTIFICATE_LIFETIME_MAX_MS, CRL_ENTRY_KEPT_MS, CRL_JUMP_NUMBERS, DAY_MS } from '../../shared/limits.ts'
import { testNetwork } from '../support/certificates.ts'

const network = testNetwork()
const now = network.clock.now()
const issuer = { certificate: network.root, key: network.rootKey }

const list = async (number: number, ...serials: readonly string[]): Promise<RevocationList> => {
  const entries = serials.map((serial) => ({ serial, date: now, reason: 'keyCompromise' as const }))
  return orThrow(
    readRevocationList(await createRevocationList({ issuer, number, thisUpdate: now, entries }), network.anchor.root),
  )
}
const numbers = (lists: readonly RevocationList[]): readonly number[] => lists.map(({ number }) => number)
const FAR = CRL_JUMP_NUMBERS + 10

test('a list that a much newer one forgets some of is kept, until one has come that says all of it', async () => {
  const before = await list(7, '0a', '0b')
  expect(numbers(await stillKept([before], await list(FAR, '0a'), now))).toEqual([7])
  expect(numbers(await stillKept([before], await list(FAR, '0b', '0a', '0c'), now))).toEqual([])
})

test('one that follows soon is taken at its word: entries go when their certificates have ended', async () => {
  expect(await stillKept([await list(7, '0a')], await list(8), now)).toEqual([])
})

test('nothing is kept for certificates that have ended long since', async () => {
  const before = await list(7, '0a')
  const end = now + CERTIFICATE_LIFETIME_MAX_MS + CRL_ENTRY_KEPT_MS
  expect(numbers(await stillKept([before], await list(FAR), end - DAY_MS))).toEqual([7])
  expect(numbers(await stillKept([before], await list(FAR), end + DAY_MS))).toEqual([])
})

test('of several only those are kept that say more than the later ones, and four at most', async () => {
  const lists = [await list(1, '0a'), await list(2, '0a', '0b'), await list(3, '0c')]
  expect(numbers(await stillKept(lists, await list(FAR), now))).toEqual([3, 2])
  const many = await Promise.all(['0a', '0b', '0c', '0d', '0e', '0f'].map((serial, at) => list(at + 1, serial)))
  expect(numbers(await stillKept(many, await list(FAR), now))).toEqual([6, 5, 4, 3])
})
