import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { fault } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'
import { inTurns } from './in-turns.ts'
import type { Places } from './path.ts'
import { codeOf, type Part } from './span.ts'

/** Where chunks are written before a transfer is whole: a file of ours, or a folder of ours with all that goes into it. */
export type Ground = AsyncDisposable & {
  /** Opens a file there, for its owner only; what is no file, or a link, is not written through. */
  create(path: string): Promise<FileHandle>
  /** Gives the single file its length. */
  extend(size: number): Promise<void>
  /** Brings a small file to the disk as soon as it is written: to open it again at the end costs as much as all the rest. */
  settle(path: string, file: FileHandle): Promise<void>
  /** Makes what has no bytes, and brings all of it to the disk. @returns what the system then says of each file */
  complete(parts: readonly Part[]): Promise<readonly Stats[]>
}

/** @param places what goes into a folder; null for a single file */
export const openGround = async (root: string, places: Places | null): Promise<Ground> => {
  if (places === null) return await openFileGround(root)
  const made = new Set<string>()
  /** Makes a folder and those above it, up to the root, none of them a link. */
  const ensure = async (folder: string): Promise<void> => {
    if (made.has(folder)) return
    if (folder !== root) await ensure(dirname(folder))
    await mkdir(folder, { mode: 0o700 }).catch((cause: unknown) => {
      if (codeOf(cause) !== 'EEXIST') throw cause
    })
    if (!(await lstat(folder)).isDirectory()) throw fault('storage-failed', `${folder} is not a folder`)
    made.add(folder)
  }
  await ensure(root)
  const create = async (path: string): Promise<FileHandle> => {
    if (relative(root, path).split(sep)[0] === '..') throw fault('fault', 'a path out of the folder')
    await ensure(dirname(path))
    return await openOwn(path)
  }
  const settled = new Map<string, Stats>()
  return {
    create,
    extend: () => Promise.resolve(),
    settle: async (path, file) => {
      await file.sync()
      settled.set(path, await file.stat())
    },
    complete: async (parts) => {
      for (const { path, size } of parts) if (size === 0) await (await create(path)).close()
      for (const folder of places.folders) await ensure(join(root, folder))
      const all = await inTurns(parts, async ({ path, size }) => {
        const known = settled.get(path)
        if (known?.size === size) return known
        await using file = await open(path, OWN_FLAGS, OWN_MODE)
        const stats = mustBeFile(await file.stat(), path)
        if (stats.size === size) {
          await file.sync()
          return stats
        }
        await file.truncate(size) // somebody has added to it
        await file.sync()
        return await file.stat()
      })
      await inTurns([...made], syncFolder)
      return all
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

const openFileGround = async (path: string): Promise<Ground> => {
  const file = await openOwn(path)
  return {
    create: openOwn,
    extend: (size) => file.truncate(size),
    settle: () => Promise.resolve(), // `complete` does it
    complete: async () => {
      await file.sync()
      return [await file.stat()]
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

// Following a link that somebody laid in the folder would write outside of it. (0 where the system has no such flag.)
const OWN_FLAGS = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)
const OWN_MODE = 0o600

/** Opens a file of ours, or makes it. @throws LanyardError `storage-failed` for what is no file */
export const openOwn = async (path: string): Promise<FileHandle> => {
  try {
    return await open(path, OWN_FLAGS | constants.O_EXCL, OWN_MODE) // new: it is what we have just made
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause
  }
  const file = await open(path, OWN_FLAGS, OWN_MODE)
  try {
    mustBeFile(await file.stat(), path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

const mustBeFile = (stats: Stats, path: string): Stats => {
  if (!stats.isFile()) throw fault('storage-failed', `${path} is not a file`)
  return stats
}
