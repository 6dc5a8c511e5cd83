import type { KeyObject } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { toString as toText } from 'uint8arrays/to-string'
import { z } from 'zod'
import { openPrivateKey, sealPrivateKey } from '../../shared/certificate/sealed-key.ts'
import { fault, LanyardError } from '../../shared/errors.ts'
import { openHome, replaceFile, syncFolder } from '../../shared/folder.ts'
import type { UserName } from '../../shared/ids.ts'
import { DEVICE_KEY_BITS } from '../../shared/limits.ts'
import type { Sealing } from './identity-files.ts'

// An operator approves one name with one key. So the key of a newcomer who was told to wait is kept, until the join that
// gets in; else the approval would fit nobody. It is sealed as the key of a device is, and no certificate is with it.

/** Who wants to join what, and how. */
export type Newcomer = {
  readonly home: string
  readonly as: 'new-user' | 'further-device'
  readonly user: UserName
  readonly invite: { readonly pin: Uint8Array; readonly token?: Uint8Array | undefined }
}

/** Whether a new user comes without an invite: through every other door any key gets in. */
export const isRegistering = ({ as, invite }: Pick<Newcomer, 'as' | 'invite'>): boolean =>
  as === 'new-user' && invite.token === undefined

/** Keeps the key that the operator is to approve; one that waited under another name or in another network goes. */
export const keepWaiting = async (newcomer: Newcomer, key: KeyObject, sealing: Sealing): Promise<void> => {
  const { home } = newcomer
  await openHome(home)
  const sealed = await sealPrivateKey(key, sealing.passphrase, sealing.random)
  await replaceFile(pathIn(home), `${JSON.stringify({ ...markOf(newcomer), key: sealed })}\n`)
  await syncFolder(home)
}

/** Whether there is a key that waits for just that. @throws LanyardError `waiting-damaged` */
export const isWaiting = async (newcomer: Newcomer): Promise<boolean> => (await read(newcomer)) !== null

/**
 * The key that waits for just that, or null when none does. About 0.2 s, off the event loop.
 * @throws LanyardError `passphrase-wrong`, `waiting-damaged`
 */
export const openWaiting = async (newcomer: Newcomer, passphrase: string): Promise<KeyObject | null> => {
  const sealed = await read(newcomer)
  if (sealed === null) return null
  const path = pathIn(newcomer.home)
  const key = await openPrivateKey(sealed, passphrase).catch((cause: unknown) => {
    if (!(cause instanceof LanyardError && cause.code === 'passphrase-wrong'))
      throw fault('waiting-damaged', path, cause)
    throw fault(cause.code, `${FIRST}; if that is lost, remove ${path}, and ask for approval anew`, cause)
  })
  if (!DEVICE_KEY_BITS.some((bits) => bits === bitsOf(key))) throw fault('waiting-damaged', path)
  return key
}

/** Of an RSA key. */
export const bitsOf = (key: KeyObject): number => key.asymmetricKeyDetails?.modulusLength ?? 0

/** Once nobody waits any more. */
export const forgetWaiting = (home: string): Promise<void> => rm(pathIn(home), { force: true })

const FIRST = 'the key that waits for approval was sealed by the passphrase of your first try'

const pathIn = (home: string): string => join(home, 'waiting.json')

const shape = z.object({ pin: z.string(), user: z.string(), key: z.string() })

const markOf = ({ invite, user }: Newcomer) => ({ pin: toText(invite.pin, 'base64url'), user })

/** The sealed key of just that user and network, PEM. */
const read = async (newcomer: Newcomer): Promise<string | null> => {
  if (!isRegistering(newcomer)) return null
  const path = pathIn(newcomer.home)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw fault('waiting-damaged', path, cause)
  })
  if (text === null) return null
  const parsed = shape.safeParse(parseJson(text))
  if (!parsed.success) throw fault('waiting-damaged', path)
  const { pin, user } = markOf(newcomer)
  return parsed.data.pin === pin && parsed.data.user === user ? parsed.data.key : null
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
