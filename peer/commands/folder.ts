import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fault } from '../../shared/errors.ts'
import { folder, setFolder } from '../api/operations/files.ts'
import { connectIfRunning } from '../api/remote-client.ts'
import { downloadsOf } from '../home.ts'
import { readProfile } from '../identity/keystore.ts'
import { changeSettings, readSettings } from '../settings.ts'
import { entriesOf, entryLines } from '../terminal/file-commands.ts'
import { type Options, tell } from './command.ts'

/** `pwd`: the folder that files go to. */
export const showFolder = async (options: Options): Promise<void> => {
  const there = await folderOf(options)
  tell(options, { folder: there }, there)
}

/** `cd`: another one, from the next file on. @throws LanyardError `file-unreadable` for what is no folder */
export const changeFolder = async (path: string, options: Options): Promise<void> => {
  await readProfile(options.home)
  const there = resolve(path)
  const stats = await stat(there).catch(() => null)
  if (stats?.isDirectory() !== true) throw fault('file-unreadable', `${there} is not a folder`)
  await using running = await connectIfRunning(options.home)
  if (running === null) await changeSettings(options.home, { folder: there })
  else await running.call(setFolder, { path: there })
  tell(options, { folder: there }, `files go to ${there} from now on`)
}

/** `ls`: what is in it. */
export const listFolder = async (options: Options): Promise<void> => {
  const there = await folderOf(options)
  const entries = await entriesOf(there)
  tell(options, { folder: there, entries }, entryLines(entries).join('\n'))
}

const folderOf = async ({ home }: Options): Promise<string> => {
  await readProfile(home)
  await using running = await connectIfRunning(home)
  if (running !== null) return (await running.call(folder, {})).folder
  return downloadsOf(home, await readSettings(home))
}
