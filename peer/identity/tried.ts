import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { toString as toText } from 'uint8arrays/to-string'
import { openHome, replaceFile } from '../../shared/folder.ts'
import type { UserName } from '../../shared/ids.ts'

// A mark that is set just before the CA may write a new user down. Who finds it at the next join was cut off in between.

/** Who tried to join which network. */
export type Try = { readonly pin: Uint8Array; readonly user: UserName }

export const noteTry = async (home: string, one: Try): Promise<void> => {
  await openHome(home)
  await replaceFile(join(home, FILE), write(one))
}

/** Whether that very user was about to join that network from this home, and nobody knows how it ended. */
export const wasTried = async (home: string, one: Try): Promise<boolean> =>
  (await readFile(join(home, FILE), 'utf8').catch(() => '')) === write(one)

export const forgetTry = (home: string): Promise<void> => rm(join(home, FILE), { force: true })

const FILE = 'joining.json'

const write = ({ pin, user }: Try): string => `${JSON.stringify({ pin: toText(pin, 'base64url'), user })}\n`
