import { rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fault } from '../../shared/errors.ts'
import { publishFolder, replaceFile, syncFolder } from '../../shared/folder.ts'
import { databasePath, openDatabase } from '../store/database.ts'
import {
  certificateFile,
  type Draft,
  draftFiles,
  type Keystore,
  readDraft,
  type Sealing,
  successionsFile,
} from './identity-files.ts'

// A new key takes the place of an old one by renames, each of which is whole or not at all, so that a crash at any point
// leaves one identity that works. The folder's name tells how far it has come:
//   identity.draft   nobody has heard of the key: it may be thrown away
//   identity.asked   the CA may have taken it up, and the old key with it out of use: only the CA knows
//   identity.next    the certificate is here: what is left are renames in this home
// The local store moves along: its key is in the folder, sealed to the new key.

/** The folder of the identity that is in use. */
export const IDENTITY = 'identity'
const DRAFT = 'identity.draft'
const ASKED = 'identity.asked'
const NEXT = 'identity.next'
const OLD = 'identity.old'

/** Writes a new key down, before anybody hears of it; one from an earlier try goes. For who has the home to itself. */
export const draftSuccessor = async (home: string, draft: Draft, sealing: Sealing): Promise<void> => {
  await dropSuccessor(home)
  if (!(await publishFolder(home, DRAFT, await draftFiles(draft, sealing)))) throw fault('profile-in-use', home)
}

/** From now on the CA may have taken the key up. Asking again is no change. */
export const markAsked = async (home: string): Promise<void> => {
  if (await exists(join(home, ASKED))) return
  await rename(join(home, DRAFT), join(home, ASKED))
  await syncFolder(home)
}

/** Whether only the CA knows which key counts. */
export const isAsked = (home: string): Promise<boolean> => exists(join(home, ASKED))

/** The key that the CA was asked about. @throws LanyardError `passphrase-wrong`, `profile-damaged` */
export const openSuccessor = (home: string, passphrase: string): Promise<Draft> =>
  readDraft(join(home, ASKED), passphrase)

/** The new key was not taken up: the old one stays in use. */
export const dropSuccessor = async (home: string): Promise<void> => {
  for (const folder of [DRAFT, ASKED]) await rm(join(home, folder), { recursive: true, force: true })
}

/** Puts the new key and its certificate in the place of the old ones. For who has the home to itself. */
export const completeSuccessor = async (
  home: string,
  { certificate, successions }: Pick<Keystore, 'certificate' | 'successions'>,
): Promise<void> => {
  const from = (await isAsked(home)) ? ASKED : DRAFT
  for (const [name, content] of [successionsFile(successions), certificateFile(certificate)]) {
    await replaceFile(join(home, from, name), content)
  }
  await rename(join(home, from), join(home, NEXT))
  await syncFolder(home)
  await moveIn(home)
}

/**
 * Ends a change that a crash has cut off where nothing but renames was left.
 * @throws LanyardError `profile-in-use` while another lanyard is about it
 */
export const settleSuccessor = async (home: string): Promise<void> => {
  if (!(await exists(join(home, NEXT))) && !(await exists(join(home, OLD)))) return
  const database = openDatabase(databasePath(home)) // locked until it is closed
  try {
    await moveIn(home)
  } finally {
    database.close()
  }
}

const moveIn = async (home: string): Promise<void> => {
  const [next, present, old] = [NEXT, IDENTITY, OLD].map((name) => join(home, name)) as [string, string, string]
  await rm(old, { recursive: true, force: true })
  if (await exists(next)) {
    if (await exists(present)) await rename(present, old)
    await rename(next, present)
    await syncFolder(home)
  }
  await rm(old, { recursive: true, force: true }) // its key has no use any more, and may be why there is a new one
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
