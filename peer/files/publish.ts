import { link, lstat, mkdir, open, readFile, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { fault } from '../../shared/errors.ts'
import { replaceFile, syncFolder } from '../../shared/folder.ts'
import { FILE_NAME_TRIES } from '../../shared/limits.ts'
import { numberedName } from './name.ts'
import { codeOf } from './span.ts'

/**
 * Gives the file at `partPath` the first free of `name`, `name (2)`, … in its folder as well, and returns the new path; the
 * caller then takes the old name away. Nothing is ever overwritten: `link` refuses a name that is taken in the same step in
 * which it takes a free one.
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

/**
 * Gives the folder at `partPath` the first free of `name`, `name (2)`, …, and returns the new path. The name is taken by
 * an empty folder of ours, whose place the whole one then takes in one step. `notePath` tells, after a crash between that
 * and the end, which folder it was: see `publishedFolder`.
 */
export const publishFolder = async (
  partPath: string,
  notePath: string,
  folder: string,
  name: string,
): Promise<string> => {
  const { ino } = await lstat(partPath)
  for (let number = 1; number <= FILE_NAME_TRIES; number++) {
    const path = join(folder, numberedName(name, number))
    try {
      await mkdir(path, { mode: 0o700 })
    } catch (cause) {
      if (codeOf(cause) === 'EEXIST') continue
      throw cause
    }
    await replaceFile(notePath, JSON.stringify({ ino, path }))
    if (process.platform === 'win32') await rmdir(path) // a folder replaces none there
    await rename(partPath, path)
    await syncFolder(folder)
    return path
  }
  throw fault('storage-failed', `${FILE_NAME_TRIES} folders of that name are there already`)
}

/** The folder that such a note tells of, if it has got its name; the empty one that should have become it is taken away. */
export const publishedFolder = async (notePath: string): Promise<string | null> => {
  const note = noteShape.safeParse(parseJson(await readFile(notePath, 'utf8').catch(() => '')))
  if (!note.success) return null
  const { ino, path } = note.data
  const stats = await lstat(path).catch(() => null)
  if (stats?.isDirectory() === true && stats.ino === ino) return path
  await rmdir(path).catch(() => undefined) // of a folder with something in it the system refuses it
  return null
}

const noteShape = z.object({ ino: z.number(), path: z.string() })

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const isSameFile = async (one: string, other: string): Promise<boolean> => {
  const [a, b] = await Promise.all([lstat(one), lstat(other)])
  return a.ino === b.ino && a.dev === b.dev
}
