import type { KeyObject } from 'node:crypto'
import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey, PeerId as WirePeerId } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import type { PeerId } from '../ids.ts'

/**
 * The PeerId of an RSA key: the multihash of its libp2p public key, which is its SubjectPublicKeyInfo in a protobuf.
 * @param spki SubjectPublicKeyInfo, DER
 * @throws when the bytes are not an RSA public key that libp2p takes
 */
export const peerIdOfSpki = (spki: Uint8Array): PeerId =>
  peerIdFromPublicKey(publicKeyFromRaw(spki)).toString() as PeerId

/** Our branded text form of a PeerId object of libp2p. */
export const peerIdOf = (peer: WirePeerId): PeerId => peer.toString() as PeerId

/** @returns null when the text is not a PeerId */
export const parsePeerId = (text: string): PeerId | null => {
  try {
    return peerIdFromString(text).toString() as PeerId
  } catch {
    return null
  }
}

/** The device's RSA key in the form that libp2p takes: the certificate's key is the Noise identity. */
export const libp2pKeyOf = (key: KeyObject): PrivateKey =>
  privateKeyFromRaw(new Uint8Array(key.export({ type: 'pkcs1', format: 'der' })))
