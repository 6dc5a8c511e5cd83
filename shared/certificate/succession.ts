import { constants, type KeyObject, sign, verify } from 'node:crypto'
import { type NetworkId, sha256 } from '../ids.ts'

// A device that takes a new key is followed by itself: its old key signs the request of the new one.

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
const LABEL = 'lanyard succession 1'

/** The old key's word for a certificate request (DER): RSA-PSS, SHA-256, MGF1 with SHA-256, a salt of 32 bytes. */
export const signSuccession = (oldKey: KeyObject, csr: Uint8Array, network: NetworkId): Uint8Array =>
  new Uint8Array(sign('sha256', statement(csr, network), { key: oldKey, ...PSS }))

export const isSuccession = (proof: Uint8Array, oldKey: KeyObject, csr: Uint8Array, network: NetworkId): boolean => {
  try {
    return verify('sha256', statement(csr, network), { key: oldKey, ...PSS }, proof)
  } catch {
    return false // OpenSSL throws on some moduli that no honest key has
  }
}

/** `label \0 network id \0 SHA-256(request)`. */
const statement = (csr: Uint8Array, network: NetworkId): Uint8Array =>
  Buffer.concat([Buffer.from(`${LABEL}\0${network}\0`), sha256(csr)])
