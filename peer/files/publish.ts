import { link, lstat, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fault } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'
import { FILE_NAME_TRIES } from '../../shared/limits.ts'
import { numberedName } from './name.ts'

/**
 * Gives the file at `partPath` the first free of `name`, `name (2)`, … in its folder, and returns the new path. Nothing is
 * ever overwritten: `link` refuses a name that is taken in the same step in which it takes a free one.
 */
export const publishFile = async (partPath: string, folder: string, name: string): Promise<string> => {
  for (let number = 1; number <= FILE_NAME_TRIES; number++) {
    const path = join(folder, numberedName(name, number))
    if (!(await take(partPath, path))) continue
    await syncFolder(folder)
    return path
  }
  throw fault('storage-failed', `${FILE_NAME_TRIES} files of that name are there already`)
}

/** Whether the file has that name now. */
const take = async (partPath: string, path: string): Promise<boolean> => {
  try {
    await link(partPath, path)
  } catch (cause) {
    // Taken; unless by ourselves, when a crash came between the two steps the last time.
    if (codeOf(cause) === 'EEXIST') {
      if (!(await isSameFile(partPath, path))) return false
    } else if (NO_LINKS.has(codeOf(cause))) {
      return takeByRename(partPath, path)
    } else throw cause
  }
  await rm(partPath)
  return true
}

// FAT and some network drives have no hard links. There an empty file of ours takes the name, and is replaced.
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'])

const takeByRename = async (partPath: string, path: string): Promise<boolean> => {
  try {
    await using _taken = await open(path, 'wx', 0o600)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return false
    throw cause
  }
  await rename(partPath, path)
  return true
}

const isSameFile = async (one: string, other: string): Promise<boolean> => {
  const [a, b] = await Promise.all([lstat(one), lstat(other)])
  return a.ino === b.ino && a.dev === b.dev
}

/** The system's word for what went wrong, such as `EEXIST`. */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
