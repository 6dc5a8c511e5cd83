import type { Dirent, Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { MANIFEST_MAX_ENTRIES } from '../../shared/limits.ts'
import { numberedName, toPlainName } from './name.ts'
import { byBytes, foldOf, safePart, safePath, type Tree, type TreeFile } from './path.ts'
import type { Part } from './span.ts'

/** A folder of ours as it is offered. */
export type FoundTree = {
  readonly tree: Tree
  /** Where the files of the tree are, in its order. */
  readonly parts: readonly Part[]
  /** What is neither a file nor a folder, and stays here: links above all, which may lead anywhere. */
  readonly skipped: number
}

/**
 * Lists all that lies in a folder, under names that every system takes. Links are not followed. Refused are too many
 * entries (`file-too-many`) and paths that nobody would take (`file-name-unsafe`).
 */
export const walkFolder = async (root: string, signal?: AbortSignal): Promise<FoundTree | Refusal> => {
  const files: { readonly path: string; readonly part: Part }[] = []
  const folders: string[] = []
  let skipped = 0
  /** @returns why it can't be offered */
  const walk = async (folder: string, path: string): Promise<Refusal | null> => {
    signal?.throwIfAborted()
    const entries = (await readdir(folder, { withFileTypes: true })).filter((entry) => isOffered(entry))
    const plain = plainNames(entries.map(({ name }) => name))
    let kept = 0
    for (const [at, entry] of entries.entries()) {
      const below = path === '' ? (plain[at] ?? '') : `${path}/${plain[at] ?? ''}`
      const place = join(folder, entry.name)
      const unsafe = safePath(below)
      if (isRefusal(unsafe)) return refuse(unsafe.code, `${place}: ${unsafe.detail ?? ''}`)
      if (files.length + folders.length >= MANIFEST_MAX_ENTRIES) return refuse('file-too-many', root)
      if (entry.isDirectory()) {
        const refused = await walk(place, below)
        if (refused !== null) return refused
        kept++
      } else if (entry.isFile()) {
        files.push({ path: below, part: { path: place, size: (await lstat(place)).size } })
        kept++
      } else skipped++
    }
    if (kept === 0 && path !== '') folders.push(path)
    return null
  }
  const refused = await walk(root, '')
  if (refused !== null) return refused
  files.sort((a, b) => byBytes(a.path, b.path))
  const listed = files.map(({ path, part }): TreeFile => ({ path, size: part.size }))
  return { tree: { files: listed, folders: folders.sort(byBytes) }, parts: files.map(({ part }) => part), skipped }
}

const isOffered = ({ name }: Dirent): boolean => !name.startsWith('.lanyard-') // a transfer of ours that is under way

/** Names that others take, no two of them alike on any disk. */
export const plainNames = (names: readonly string[]): readonly string[] => {
  const taken = new Set<string>()
  return names.map((name) => {
    const plain = safePart(name) === name ? name : toPlainName(name)
    for (let number = 1; ; number++) {
      const numbered = numberedName(plain, number)
      if (taken.has(foldOf(numbered))) continue
      taken.add(foldOf(numbered))
      return numbered
    }
  })
}

/** Tells one state of a file from another: what has the same stamp need not be hashed again. */
export const stampOf = ({ ino, size, mtimeMs }: Stats): string => `${ino}-${size}-${mtimeMs}`
