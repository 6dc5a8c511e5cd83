import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fault } from '../../shared/errors.ts'
import { downloadsOf } from '../home.ts'
import { readProfile } from '../identity/keystore.ts'
import { changeSettings, readSettings } from '../settings.ts'
import { entriesOf, entryLines } from '../terminal/file-commands.ts'
import { type Options, tell } from './command.ts'

/** `pwd`: the folder that files go to. */
export const showFolder = async (options: Options): Promise<void> => {
  const folder = await folderOf(options)
  tell(options, { folder }, folder)
}

/** `cd`: another one, from the next start on. @throws LanyardError `file-unreadable` for what is no folder */
export const changeFolder = async (path: string, options: Options): Promise<void> => {
  await readProfile(options.home)
  const folder = resolve(path)
  const stats = await stat(folder).catch(() => null)
  if (stats?.isDirectory() !== true) throw fault('file-unreadable', `${folder} is not a folder`)
  await changeSettings(options.home, { folder })
  tell(options, { folder }, `files go to ${folder} from now on`)
}

/** `ls`: what is in it. */
export const listFolder = async (options: Options): Promise<void> => {
  const folder = await folderOf(options)
  const entries = await entriesOf(folder)
  tell(options, { folder, entries }, entryLines(entries).join('\n'))
}

const folderOf = async ({ home }: Options): Promise<string> => {
  await readProfile(home)
  return downloadsOf(home, await readSettings(home))
}
