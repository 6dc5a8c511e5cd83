import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

const generate = promisify(generateKeyPair)

/** A fresh RSA private key, off the event loop: about 0.1 s for 2048 bits, and 1 to 4 s for 4096. */
export const newRsaKey = async (bits: number): Promise<KeyObject> =>
  (await generate('rsa', { modulusLength: bits, publicExponent: 0x10001 })).privateKey
