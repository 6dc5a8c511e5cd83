import { describe, expect, test } from 'vitest'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { addressesOf } from '../../shared/network/addresses.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { newKey } from '../support/certificates.ts'

describe('the addresses that a peer tells of itself', () => {
  const peer = peerIdOfSpki(spkiOf(newKey()))
  const other = peerIdOfSpki(spkiOf(newKey()))
  const good = [`/ip4/192.0.2.7/tcp/4200/p2p/${peer}`, `/ip6/2001:db8::7/tcp/4200/p2p/${peer}`]

  test('are kept when they can be dialed and are its own', () => {
    expect(addressesOf(peer, good)).toEqual(good)
  })

  test.for([
    'nonsense',
    '',
    '/ip4/192.0.2.7/tcp/4200',
    `/ip4/192.0.2.7/tcp/4200/p2p/${other}`,
    `/ip4/192.0.2.7/udp/4200/p2p/${peer}`,
    `/dns4/example.org/tcp/4200/p2p/${peer}`,
    `/ip4/192.0.2.777/tcp/4200/p2p/${peer}`,
    `/ip4/192.0.2.7/tcp/4200/p2p/${other}/p2p-circuit/p2p/${peer}`,
    `/ip4/192.0.2.7/tcp/4200/p2p/${peer}/tcp/1`,
  ])('are left out, and spoil nothing, when they are like “%s”', (bad) => {
    expect(addressesOf(peer, [bad, ...good])).toEqual(good)
  })
})
