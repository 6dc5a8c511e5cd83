import { join } from 'node:path'
import type { Succession } from '../../shared/certificate/lineage.ts'
import { fault } from '../../shared/errors.ts'
import { publishFolder, replaceFile } from '../../shared/folder.ts'
import { STORE_KEY_BYTES } from '../../shared/limits.ts'
import {
  certificateFile,
  draftFiles,
  type Keystore,
  keyFile,
  type Profile,
  readIdentity,
  readProfileIn,
  type Sealing,
  successionsFile,
} from './identity-files.ts'
import { IDENTITY, settleSuccessor } from './successor.ts'

export type NewIdentity = Omit<Keystore, 'storeKey' | 'successions'> & Partial<Pick<Keystore, 'successions'>>

/**
 * Writes the identity of a device that has just enrolled, in one rename: a join that is killed leaves nothing behind that
 * a second one stumbles over.
 * @throws LanyardError `already-enrolled`
 */
export const createKeystore = async (home: string, identity: NewIdentity, sealing: Sealing): Promise<Keystore> => {
  const keystore = { successions: [], ...identity, storeKey: sealing.random.bytes(STORE_KEY_BYTES) }
  const [name, content] = certificateFile(identity.certificate)
  const published = await publishFolder(home, IDENTITY, { ...(await draftFiles(keystore, sealing)), [name]: content })
  if (!published) throw fault('already-enrolled', home)
  return keystore
}

/** Puts a renewed certificate in the place of the present one: a crash leaves the one or the other. */
export const replaceCertificate = async (home: string, certificate: Uint8Array): Promise<void> => {
  const [name, content] = certificateFile(certificate)
  await replaceFile(join(home, IDENTITY, name), content)
}

/** Keeps how the later roots followed. */
export const replaceSuccessions = async (home: string, successions: readonly Succession[]): Promise<void> => {
  const [name, content] = successionsFile(successions)
  await replaceFile(join(home, IDENTITY, name), content)
}

/** Keeps a renewed certificate with the roots that lead to the one that issued it, these first. */
export const keepRenewed = async (
  home: string,
  renewed: Pick<Keystore, 'certificate' | 'successions'>,
): Promise<void> => {
  await replaceSuccessions(home, renewed.successions)
  await replaceCertificate(home, renewed.certificate)
}

/** Seals the same key under another passphrase: a crash leaves the one or the other. About 0.2 s, off the event loop. */
export const changePassphrase = async (home: string, { key }: Keystore, sealing: Sealing): Promise<void> => {
  const [name, content] = await keyFile(key, sealing)
  await replaceFile(join(home, IDENTITY, name), content)
}

/**
 * About 0.2 s, off the event loop.
 * @param meanwhile called when another thread stretches the passphrase: time for work that the key is not needed for
 * @throws LanyardError `no-profile`, `passphrase-wrong`, `profile-damaged`
 */
export const openKeystore = async (home: string, passphrase: string, meanwhile = () => {}): Promise<Keystore> => {
  await settleSuccessor(home)
  return await readIdentity(join(home, IDENTITY), passphrase, meanwhile)
}

/** @throws LanyardError `no-profile` when nobody has joined with this home yet, or `profile-damaged` */
export const readProfile = async (home: string): Promise<Profile> => {
  await settleSuccessor(home)
  return await readProfileIn(join(home, IDENTITY))
}
