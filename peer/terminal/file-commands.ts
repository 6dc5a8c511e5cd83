import { readdir, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { LanyardError, type Refusal, refuse } from '../../shared/errors.ts'
import { exists } from '../../shared/folder.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { type FileJson, fileJson } from '../api/operations/files.ts'
import type { Peer } from '../peer.ts'
import { type Commands, type Desk, needed } from './desk.ts'
import { plain, sizeOf } from './lines.ts'

/** What the commands about files do, a line each. An ID is the beginning that stands behind an offer. */
export const FILE_HELP = `/send PATH…                offer files and folders in this room; in quotes where a name has a space
/files                     what was offered here, by whom, and who has it
/get ID                    fetch a file that was offered (small ones come by themselves)
/pause ID, /resume ID      stop fetching or serving one for a while, and go on
/cancel ID                 stop fetching one, or take an offer of yours back
/files delete ID           delete what was fetched; of your own only the serving ends
/pwd, /cd PATH, /ls        the folder that files go to, and where paths for /send begin`

export const fileCommands = (desk: Desk): Commands => {
  const { peer, show } = desk
  const { files } = peer
  const named = (start: string, usage: string): RecordHash => findFile(peer, needed(start, usage), desk.here())
  const done = (refusal: Refusal | null, line: string, object: Record<string, unknown>): void => {
    if (refusal !== null) throw new LanyardError(refusal)
    show(line, object)
  }
  return {
    '/send': async (rest) => {
      for (const path of await pathsOf(files.folder(), needed(rest, '/send PATH'))) {
        const { id, skipped } = await files.offer(desk.here(), path)
        const left = skipped === 0 ? '' : `; ${skipped} links and the like are left out`
        show(`* offered ${path}; keep this running while others fetch it${left}`, {
          event: 'stored',
          id,
          file: path,
          skipped,
        })
      }
    },
    '/files': async (rest) => {
      const [word, start = ''] = rest.split(/\s+/)
      if (word === 'delete') {
        const id = named(start, '/files delete ID')
        return done(await files.remove(id), '* deleted here', { event: 'file-deleted', id })
      }
      const listed = files.list(desk.here()).map((file) => fileJson(peer, file))
      show(fileLines(listed).join('\n'), { event: 'files', files: listed })
    },
    '/get': (rest) => {
      const refusal = files.fetch(named(rest, '/get ID')) // how it goes comes as events
      if (refusal !== null) throw new LanyardError(refusal)
    },
    '/pause': async (rest) => {
      const refusal = await files.pause(named(rest, '/pause ID'))
      if (refusal !== null) throw new LanyardError(refusal)
    },
    '/resume': (rest) => {
      const id = named(rest, '/resume ID')
      done(files.resume(id), '* it goes on', { event: 'file-resumed', id })
    },
    '/cancel': async (rest) => {
      const id = named(rest, '/cancel ID')
      done(await files.cancel(id), '* cancelled', { event: 'file-cancelled', id })
    },
    '/pwd': () => show(files.folder(), { event: 'folder', folder: files.folder() }),
    '/cd': async (rest) => {
      const folder = await files.setFolder(needed(rest, '/cd PATH'))
      show(`* files go to ${folder} from now on`, { event: 'folder', folder })
    },
    '/ls': async () => {
      const entries = await entriesOf(files.folder())
      show(entryLines(entries).join('\n'), { event: 'listing', folder: files.folder(), entries })
    },
  }
}

/** An offer by the beginning of its id, in a room. @throws LanyardError `file-not-held` */
const findFile = (peer: Peer, start: string, room: RoomId): RecordHash => {
  const found = peer.files.list(room).findLast(({ id }) => id.startsWith(start))
  if (found !== undefined) return found.id
  // Our own from another device, and what came before files were listed, are messages all the same.
  const message = peer.history(room, LOOKED_THROUGH).findLast(({ id }) => id.startsWith(start))
  if (message?.content?.kind === 'file') return message.id
  throw new LanyardError(refuse('file-not-held', `no file message ${start}`))
}

const LOOKED_THROUGH = 1_000 // messages: what somebody fetches was on the screen a while ago

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
    throw new LanyardError(refuse('file-unreadable', folder), { cause })
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
