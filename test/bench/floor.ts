import { constants, diffieHellman, generateKeyPairSync, sign, verify } from 'node:crypto'
import { nowMs } from './figures.ts'
import { idleStall } from './stalls.ts'

/** What the operations beneath us cost on this machine now, milliseconds each, on one core. */
export type Floor = {
  /** RSA-2048 PSS, as a record is signed. */
  readonly signMs: number
  readonly verifyMs: number
  /** One agreement; a box takes two, and the making of a key. */
  readonly x25519Ms: number
  /** The longest stall of an event loop that has nothing to do. */
  readonly idleStallMs: number
}

export const measureFloor = async (): Promise<Floor> => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const text = new Uint8Array(64)
  const signature = sign('sha256', text, { key: privateKey, ...pss })
  const [ours, theirs] = [generateKeyPairSync('x25519'), generateKeyPairSync('x25519')]
  return {
    signMs: costOf(() => sign('sha256', text, { key: privateKey, ...pss })),
    verifyMs: costOf(() => verify('sha256', text, { key: publicKey, ...pss }, signature)),
    x25519Ms: costOf(() => diffieHellman({ privateKey: ours.privateKey, publicKey: theirs.publicKey })),
    idleStallMs: await idleStall(),
  }
}

const costOf = (work: () => unknown): number => {
  let count = 0
  const began = nowMs()
  while (nowMs() - began < MEASURED_MS) {
    work()
    count++
  }
  return (nowMs() - began) / count
}

const MEASURED_MS = 500
