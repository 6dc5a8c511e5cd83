import { randomUUID } from 'node:crypto'
import { chmod, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes the folder if it is missing, and keeps it to its owner. */
export const openHome = async (home: string): Promise<void> => {
  await mkdir(home, { recursive: true, mode: 0o700 })
  await chmod(home, 0o700)
}

/**
 * Puts a folder of files into `home` in one rename: after a crash at any moment the whole of it is there, or none. Of two
 * that try at once, one wins.
 * @returns false when a folder of that name is there already; it is left as it was
 */
export const publishFolder = async (
  home: string,
  name: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<boolean> => {
  await openHome(home)
  const target = join(home, name)
  if (await exists(target)) return false
  const draft = join(home, `.${name}-${randomUUID()}`)
  try {
    await mkdir(draft, { mode: 0o700 })
    for (const [file, content] of Object.entries(files)) await writeDurably(join(draft, file), content)
    await syncFolder(draft)
    await rename(draft, target)
    await syncFolder(home)
    return true
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    // rename(2) never replaces a folder that has something in it.
    if (await exists(target)) return false
    throw error
  }
}

/** Whether anything is there. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Replaces a file whole: a crash leaves the old one or the new one. */
export const replaceFile = async (path: string, content: string | Uint8Array): Promise<void> => {
  const draft = `${path}.${randomUUID()}`
  try {
    await writeDurably(draft, content)
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** A new file that is on the disk when this resolves. */
export const writeDurably = async (path: string, content: string | Uint8Array): Promise<void> => {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(content)
  await file.sync()
}

/** A rename or a new file lasts through a power cut only when its folder has been synced, too. */
export const syncFolder = async (path: string): Promise<void> => {
  if (process.platform === 'win32') return // folders can't be opened there
  await using folder = await open(path, 'r')
  await folder.sync()
}
