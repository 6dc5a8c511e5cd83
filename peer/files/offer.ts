import { basename, dirname, resolve } from 'node:path'
import { isRefusal, LanyardError, type Refusal } from '../../shared/errors.ts'
import type { Random } from '../../shared/random.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { FileProgress } from '../events.ts'
import type { FileStore, ShelvedFile } from '../store/files.ts'
import { decodeManifest, type Manifest, manifestBytes, manifestHash } from './manifest.ts'
import { toPlainName } from './name.ts'
import { buildManifest, lookAt, lookAtAll, type Source } from './source.ts'

export type FileContent = Extract<MessageContent, { kind: 'file' }>

/** What is put on the shelf once the offer has gone out. */
export type MadeOffer = {
  readonly content: FileContent
  readonly shelved: Pick<ShelvedFile, 'path' | 'parts' | 'size' | 'encoded'>
  /** Links and the like, which stay here. */
  readonly skipped: number
}

export type OfferParts = {
  readonly files: Pick<FileStore, 'all'>
  readonly contentOf: (shelved: ShelvedFile) => FileContent | null
  readonly random: Random
  readonly onProgress: (progress: FileProgress) => void
  readonly signal: AbortSignal
}

/**
 * Makes the offer of a file, a folder, or several of them as one folder, under a key of its own. What was offered or fetched
 * before, and has not changed since, is not hashed again.
 * @throws LanyardError `file-unreadable`, `file-changed`, `file-too-large`, `file-too-many`, `file-name-unsafe`
 */
export const makeOffer = async (parts: OfferParts, paths: readonly string[]): Promise<MadeOffer> => {
  const given = paths.join(', ')
  const [first = '', ...others] = new Set(paths.map((path) => resolve(path)))
  const isOne = others.length === 0
  const name = toPlainName(isOne ? basename(first) : `${basename(first)} and ${others.length} more`)
  const source = taken(await (isOne ? lookAt(first, parts.signal) : lookAtAll([first, ...others], parts.signal)), given)
  const path = isOne ? first : dirname(first)
  const manifest = known(parts, source) ?? (await hashed(parts, source, name, given))
  const { size, tree } = manifest
  const content: FileContent = {
    kind: 'file',
    name,
    size,
    type: tree === undefined ? typeOf(name) : 'inode/directory',
    ...(tree === undefined ? {} : { files: tree.files.length }),
    key: parts.random.bytes(32),
    manifest: manifestHash(manifest),
  }
  const { parts: stamped, skipped } = source
  return { content, shelved: { path, parts: stamped, size, encoded: manifestBytes(manifest) }, skipped }
}

const taken = <T>(verdict: T | Refusal, path: string): T => {
  if (isRefusal(verdict)) throw new LanyardError({ ...verdict, detail: verdict.detail ?? path })
  return verdict
}

const hashed = async (parts: OfferParts, source: Source, name: string, given: string): Promise<Manifest> => {
  const size = source.parts.reduce((sum, part) => sum + part.size, 0)
  const onProgress = (bytes: number): void => parts.onProgress({ id: '', name, size, state: 'hashing', bytes })
  return taken(await buildManifest(source, { signal: parts.signal, onProgress }), given)
}

/** The manifest of an earlier offer of the very same files. */
const known = ({ files, contentOf }: OfferParts, { parts, tree }: Source): Manifest | null => {
  for (const shelved of files.all()) {
    if (shelved.encoded === null || !isSame(shelved.parts, parts)) continue
    const content = contentOf(shelved)
    const manifest = content === null ? null : decodeManifest(shelved.encoded, content)
    if (manifest === null || isRefusal(manifest)) continue
    // What was fetched may have landed under other names than it was offered under.
    if (JSON.stringify(manifest.tree) === JSON.stringify(tree)) return manifest
  }
  return null
}

const isSame = (one: ShelvedFile['parts'], other: ShelvedFile['parts']): boolean =>
  one.length === other.length &&
  one.every(({ path, stamp }, at) => path === other[at]?.path && stamp === other[at].stamp)

/** A hint for the screen; nothing is opened by it. */
const typeOf = (name: string): string =>
  TYPES[name.split('.').at(-1)?.toLowerCase() ?? ''] ?? 'application/octet-stream'

const TYPES: Readonly<Record<string, string>> = {
  txt: 'text/plain',
  log: 'text/plain',
  csv: 'text/csv',
  md: 'text/markdown',
  pdf: 'application/pdf',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  zip: 'application/zip',
  mp4: 'video/mp4',
}
