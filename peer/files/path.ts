import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { FILE_PATH_MAX_BYTES, FILE_PATH_MAX_DEPTH } from '../../shared/limits.ts'
import { numberedName, safeFileName } from './name.ts'

/** What lies in an offered folder, by paths from the folder itself, with `/` between their parts. */
export type Tree = {
  readonly files: readonly TreeFile[]
  /** Folders with nothing in them; all others follow from the files. */
  readonly folders: readonly string[]
}
export type TreeFile = {
  readonly path: string
  /** Bytes. */
  readonly size: number
}

// Below the folder's own name a dot may come first (`.gitignore`): what hides there hides in a folder that is seen.
const OWN = /^\.lanyard-/iu
const HIDDEN = /^\.(?=[^. -])/u

/**
 * The parts of a path that somebody else chose, each in Unicode's composed form, or `file-name-unsafe`: a path leads
 * downwards only, part by part, each of them one plain name.
 */
export const safePath = (path: string): readonly string[] | Refusal => safePathBy(path, safePart)

/** @param judge `safePart`, or what remembers its answers */
const safePathBy = (path: string, judge: typeof safePart): readonly string[] | Refusal => {
  if (Buffer.byteLength(path) > FILE_PATH_MAX_BYTES)
    return refuse('file-name-unsafe', `a path over ${FILE_PATH_MAX_BYTES} bytes`)
  const parts = path.split('/')
  if (parts.length > FILE_PATH_MAX_DEPTH)
    return refuse('file-name-unsafe', `a path over ${FILE_PATH_MAX_DEPTH} folders deep`)
  const safe: string[] = []
  for (const part of parts) {
    const name = judge(part)
    if (isRefusal(name)) return name
    safe.push(name)
  }
  return safe
}

/** One part of a path, as `safeFileName` has it, with a dot before it or without. */
export const safePart = (part: string): string | Refusal => {
  if (OWN.test(part)) return refuse('file-name-unsafe', 'a name of ours')
  if (!HIDDEN.test(part)) return safeFileName(part)
  const name = safeFileName(part.slice(1)) // what follows the dot is held to the same rules, a device's name too
  return isRefusal(name) ? name : safeFileName(`_${name}`) === `_${name}` ? `.${name}` : refuse('file-name-unsafe')
}

/** Where each file and each empty folder of a tree lands, from the folder that it lands in. */
export type Places = { readonly files: readonly string[]; readonly folders: readonly string[] }

/**
 * Gives every file and folder a path of its own on any disk: where two names differ only by case or by Unicode form, the
 * later one gets a number. The same tree gives the same places, so that a transfer finds its files again.
 */
export const placesOf = (tree: Tree): Places | Refusal => {
  const taken = new Set<string>()
  /** Of names that are alike, the number to try next: thousands of them are not each tried from the first on. */
  const numbers = new Map<string, number>()
  const folders = new Map<string, string>([['', '']])
  /** The first numbered form of a name that is free in a folder. */
  const free = (folder: string, name: string): string => {
    const inside = folder === '' ? '' : `${folder}/`
    const alike = foldOf(inside + name)
    for (let number = numbers.get(alike) ?? 1; ; number++) {
      const path = inside + numberedName(name, number)
      const folded = number === 1 ? alike : foldOf(path)
      if (taken.has(folded)) continue
      taken.add(folded)
      numbers.set(alike, number + 1)
      return path
    }
  }
  const folderOf = (parts: readonly string[]): string => {
    const key = parts.join('/')
    const known = folders.get(key)
    if (known !== undefined) return known
    const path = free(folderOf(parts.slice(0, -1)), parts.at(-1) ?? '')
    folders.set(key, path)
    return path
  }
  // Names of folders come again with every file below.
  const judged = new Map<string, string | Refusal>()
  const judge = (part: string): string | Refusal => {
    const known = judged.get(part) ?? safePart(part)
    judged.set(part, known)
    return known
  }
  const files: string[] = []
  for (const { path } of tree.files) {
    const parts = safePathBy(path, judge)
    if (isRefusal(parts)) return parts
    files.push(free(folderOf(parts.slice(0, -1)), parts.at(-1) ?? ''))
  }
  const empty: string[] = []
  for (const path of tree.folders) {
    const parts = safePathBy(path, judge)
    if (isRefusal(parts)) return parts
    empty.push(folderOf(parts))
  }
  return { files, folders: empty }
}

/** Equal for names that some disk takes for one: NTFS and APFS ignore case, APFS the Unicode form as well. */
export const foldOf = (path: string): string =>
  isAscii(path) ? path.toLowerCase() : path.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFC')

/**
 * What is wrong with a tree, in words; null for a sound one. Files and folders each stand in the order of their paths'
 * UTF-8 bytes, none twice, and nothing is a file and a folder at once.
 */
export const treeFault = ({ files, folders }: Tree): string | null => {
  const paths = files.map(({ path }) => path)
  if (!isAscending(paths) || !isAscending(folders)) return 'paths out of order, or one twice'
  const above = new Set<string>()
  for (const path of [...paths, ...folders]) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at)
      if (above.has(folder)) break
      above.add(folder)
    }
  }
  const lone = new Set(folders)
  if (paths.some((path) => above.has(path) || lone.has(path))) return 'a file that is a folder, too'
  return folders.some((folder) => above.has(folder)) ? 'an empty folder with something in it' : null
}

const isAscending = (paths: readonly string[]): boolean =>
  paths.every((path, at) => at === 0 || byBytes(paths[at - 1] ?? '', path) < 0)

/** The order of paths in a manifest: that of their UTF-8 bytes. */
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/
const isAscii = (text: string): boolean => ASCII.test(text)
