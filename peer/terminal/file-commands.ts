import { readdir, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fault } from '../../shared/errors.ts'
import { exists } from '../../shared/folder.ts'
import { HISTORY_PAGE_MAX } from '../../shared/limits.ts'
import type { Client } from '../api/client.ts'
import {
  cancelFile,
  type FileJson,
  fetchFile,
  folder,
  listFiles,
  offerFile,
  pauseFile,
  removeFile,
  resumeFile,
  setFolder,
} from '../api/operations/files.ts'
import { history } from '../api/operations/messages.ts'
import { type Commands, type Desk, needed } from './desk.ts'
import { plain, sizeOf } from './lines.ts'

/** What the commands about files do, a line each. An ID is the beginning that stands behind an offer. */
export const FILE_HELP = `/send PATH…                offer files and folders in this room, together; in quotes where a name has a space
/files                     what was offered here, by whom, and who has it
/get ID                    fetch a file that was offered (small ones come by themselves)
/pause ID, /resume ID      stop fetching or serving one for a while, and go on
/cancel ID                 stop fetching one, or take an offer of yours back
/files delete ID           delete what was fetched; of your own only the serving ends
/pwd, /cd PATH, /ls        the folder that files go to, and where paths for /send begin`

export const fileCommands = (desk: Desk): Commands => {
  const { client, show } = desk
  const named = async (start: string, usage: string): Promise<{ readonly file: string }> => ({
    file: await findFile(client, needed(start, usage), desk.here()),
  })
  const folderNow = async (): Promise<string> => (await client.call(folder, {})).folder
  return {
    '/send': async (rest) => {
      const room = desk.here()
      const paths = await pathsOf(await folderNow(), needed(rest, '/send PATH'))
      const { id, skipped } = await client.call(offerFile, { room, paths: [...paths] })
      const file = paths.join(', ')
      const left = skipped === 0 ? '' : `; ${skipped} links and the like are left out`
      show(`* offered ${file}; keep this running while others fetch it${left}`, {
        event: 'stored',
        id,
        file,
        paths,
        skipped,
      })
    },
    '/files': async (rest) => {
      const [word, start = ''] = rest.split(/\s+/)
      if (word === 'delete') {
        const { id } = await client.call(removeFile, await named(start, '/files delete ID'))
        show('* deleted here', { event: 'file-deleted', id })
        return
      }
      const { files } = await client.call(listFiles, { room: desk.here() })
      show(fileLines(files).join('\n'), { event: 'files', files })
    },
    '/get': async (rest) => {
      await client.call(fetchFile, await named(rest, '/get ID')) // how it goes comes as events
    },
    '/pause': async (rest) => {
      await client.call(pauseFile, await named(rest, '/pause ID'))
    },
    '/resume': async (rest) => {
      const { id } = await client.call(resumeFile, await named(rest, '/resume ID'))
      show('* it goes on', { event: 'file-resumed', id })
    },
    '/cancel': async (rest) => {
      const { id } = await client.call(cancelFile, await named(rest, '/cancel ID'))
      show('* cancelled', { event: 'file-cancelled', id })
    },
    '/pwd': async () => {
      const there = await folderNow()
      show(there, { event: 'folder', folder: there })
    },
    '/cd': async (rest) => {
      const { folder: there } = await client.call(setFolder, { path: needed(rest, '/cd PATH') })
      show(`* files go to ${there} from now on`, { event: 'folder', folder: there })
    },
    '/ls': async () => {
      const there = await folderNow()
      const entries = await entriesOf(there)
      show(entryLines(entries).join('\n'), { event: 'listing', folder: there, entries })
    },
  }
}

/** An offer by the beginning of its id, in a room. @throws LanyardError `file-not-held` */
const findFile = async (client: Client, start: string, room: string): Promise<string> => {
  const { files } = await client.call(listFiles, { room })
  const found = files.findLast(({ id }) => id.startsWith(start))
  if (found !== undefined) return found.id
  // Our own from another device, and what came before files were listed, are messages all the same.
  const { messages } = await client.call(history, { room, limit: HISTORY_PAGE_MAX })
  const message = messages.findLast(({ id }) => id.startsWith(start))
  if (message?.file !== undefined) return message.id
  throw fault('file-not-held', `no file message ${start}`)
}

/** What was offered, a line each. */
export const fileLines = (files: readonly FileJson[]): string[] =>
  files.length === 0
    ? ['nothing was offered here yet']
    : files.map(({ id, user, name, size, files: count, holders, ...how }) => {
        const many = count === null ? '' : `, ${count} files`
        const who = [...new Set(holders.map((one) => one.user))].join(', ')
        const has = who === '' ? '' : `  has it: ${who}`
        return `${id.slice(0, 8)}  ${user}: ${plain(name)} (${sizeOf(size)}${many})  ${stateOf({ size, ...how })}${has}`
      })

const stateOf = ({
  state,
  paused,
  bytes,
  size,
  path,
}: Pick<FileJson, 'state' | 'paused' | 'bytes' | 'size' | 'path'>) => {
  const pause = paused ? ', paused' : ''
  switch (state) {
    case 'offered':
      return 'to be fetched'
    case 'declined':
      return 'not wanted'
    case 'held':
      return `here${pause}: ${path ?? ''}`
    case 'wanted':
    case 'fetching':
      return `${size === 0 ? 0 : Math.floor((bytes / size) * 100)} % here${pause}`
  }
}

/** The words of a line as paths; quotes hold one together. One that is no path as it stands is sought where we were started. */
const pathsOf = async (folder: string, line: string): Promise<readonly string[]> => {
  const found = async (path: string): Promise<string> => {
    const there = resolve(folder, path)
    return (await exists(there)) ? there : resolve(path)
  }
  const all = await found(line)
  if (await exists(all)) return [all]
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  )
  return Promise.all(words.map(found))
}

export type Entry = { readonly name: string; readonly kind: 'file' | 'folder'; readonly size: number }

/** What lies in a folder, without what hides. @throws LanyardError `file-unreadable` */
export const entriesOf = async (folder: string): Promise<readonly Entry[]> => {
  const names = await readdir(folder).catch((cause: unknown): string[] => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    throw fault('file-unreadable', folder, cause)
  })
  const entries: Entry[] = []
  for (const name of names.filter((one) => !one.startsWith('.')).sort()) {
    const stats = await stat(resolve(folder, name)).catch(() => null)
    if (stats !== null) entries.push({ name, kind: stats.isDirectory() ? 'folder' : 'file', size: stats.size })
  }
  return entries
}

export const entryLines = (entries: readonly Entry[]): string[] =>
  entries.length === 0
    ? ['nothing is here yet']
    : entries.map(
        ({ name, kind, size }) => `${kind === 'folder' ? 'folder' : sizeOf(size).padStart(9)}  ${plain(name)}`,
      )
