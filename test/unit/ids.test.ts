import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  fromHex,
  type NetworkId,
  networkIdOf,
  networkIdOfPin,
  networkPrefix,
  roomIdOf,
  sha256,
  toHex,
} from '../../shared/ids.ts'
import { helloProtocol } from '../../shared/wire/hello.ts'
import { serviceTag } from '../../shared/wire/protocol.ts'

const network = networkIdOf(Uint8Array.of(1, 2, 3))

test('hex goes both ways', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(fromHex(toHex(bytes))).toEqual(new Uint8Array(bytes))
    }),
  )
})

test('hex of a part of a larger array is of that part alone', () => {
  expect(toHex(Uint8Array.of(1, 2, 3, 4).subarray(1, 3))).toBe('0203')
})

test('SHA-256 over parts is SHA-256 over all of them', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (parts) => {
      expect(toHex(sha256(...parts))).toBe(createHash('sha256').update(Buffer.concat(parts)).digest('hex'))
    }),
  )
})

test('a network id is 52 lower-case characters of base32, from the pin or from the key', () => {
  expect(network).toMatch(/^[a-z2-7]{52}$/)
  expect(networkIdOfPin(sha256(Uint8Array.of(1, 2, 3)))).toBe(network)
})

test('protocols and the service tag carry its first 10 characters, and the tag fits a service label', () => {
  expect(helloProtocol(network)).toBe(`/lanyard/${networkPrefix(network)}/hello/1`)
  // RFC 6763 §7.2: at most 15 characters after the underscore
  expect(serviceTag(network).split('.')[0]?.slice(1).length).toBeLessThanOrEqual(15)
})

test('a room id tells its network and its name apart', () => {
  const other = networkIdOf(Uint8Array.of(4))
  const ids = [roomIdOf(network, 'general'), roomIdOf(network, 'generals'), roomIdOf(other, 'general')]
  expect(new Set(ids).size).toBe(3)
  // The zero byte between them stands in no network id.
  expect(roomIdOf('ab' as NetworkId, 'c')).not.toBe(roomIdOf('a' as NetworkId, 'bc'))
})
