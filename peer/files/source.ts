import { lstat, realpath, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { isRefusal, LanyardError, type Refusal, refuse } from '../../shared/errors.ts'
import { CHUNK_BYTES, MANIFEST_MAX_BYTES, MANIFEST_MAX_CHUNKS, MANIFEST_MAX_ENTRIES } from '../../shared/limits.ts'
import { chunkCount } from './extent.ts'
import { hashChunks, type ReadOptions } from './hash-chunks.ts'
import { type Manifest, manifestBytes } from './manifest.ts'
import { byBytes, safePath, type Tree } from './path.ts'
import type { Part } from './span.ts'
import { plainNames, stampOf, walkFolder } from './tree.ts'

/** A file of a source as it was when it was looked at. */
export type StampedPart = Part & { readonly stamp: string }

/** A file or a folder of this disk, before it is hashed. It is never copied. */
export type Source = {
  readonly parts: readonly StampedPart[]
  /** Of a folder. */
  readonly tree?: Tree
  /** What is left out of a folder: links, and what is no file. */
  readonly skipped: number
}

/** Looks at what is to be offered; refused is what is neither a file nor a folder (`file-unreadable`), and what `walkFolder` refuses. */
export const lookAt = async (path: string, signal?: AbortSignal): Promise<Source | Refusal> => {
  try {
    // Asked before opening: to open a pipe would wait for its writer.
    const stats = await stat(path)
    const root = await realpath(path) // a link that the user has named is meant; those below are not followed
    if (stats.isFile()) return { parts: [{ path: root, size: stats.size, stamp: stampOf(stats) }], skipped: 0 }
    if (!stats.isDirectory()) return refuse('file-unreadable', `${path} is not a file or a folder`)
    const found = await walkFolder(root, signal)
    if (isRefusal(found)) return found
    const parts: StampedPart[] = []
    for (const part of found.parts) parts.push({ ...part, stamp: stampOf(await lstat(part.path)) })
    return { ...found, parts }
  } catch (cause) {
    if (signal?.aborted) throw cause
    return refuse('file-unreadable', cause instanceof Error ? cause.message : String(cause))
  }
}

/** Looks at several files and folders, to be offered as one folder in which each has its own name. Refused is what `lookAt` refuses. */
export const lookAtAll = async (paths: readonly string[], signal?: AbortSignal): Promise<Source | Refusal> => {
  const names = plainNames(paths.map((path) => basename(path)))
  const files: { readonly path: string; readonly part: StampedPart }[] = []
  const folders: string[] = []
  let skipped = 0
  for (const [at, given] of paths.entries()) {
    const name = names[at] ?? ''
    const found = await lookAt(given, signal)
    if (isRefusal(found)) return found
    skipped += found.skipped
    const tree = found.tree ?? { files: [{ path: '' }], folders: [] }
    const below = (path: string): string => (path === '' ? name : `${name}/${path}`)
    for (const [index, part] of found.parts.entries()) files.push({ path: below(tree.files[index]?.path ?? ''), part })
    folders.push(...(tree.files.length + tree.folders.length === 0 ? [name] : tree.folders.map(below)))
  }
  if (files.length + folders.length > MANIFEST_MAX_ENTRIES) return refuse('file-too-many')
  for (const path of [...files.map((file) => file.path), ...folders]) {
    const safe = safePath(path)
    if (isRefusal(safe)) return safe
  }
  files.sort((a, b) => byBytes(a.path, b.path))
  const listed = files.map(({ path, part }) => ({ path, size: part.size }))
  return { parts: files.map(({ part }) => part), tree: { files: listed, folders: folders.sort(byBytes) }, skipped }
}

/**
 * Reads a source once and hashes it, beside the event loop. Refused are what is too large (`file-too-large`), what can't be
 * read (`file-unreadable`), and what changes meanwhile (`file-changed`).
 */
export const buildManifest = async (source: Source, options: ReadOptions = {}): Promise<Manifest | Refusal> => {
  const { parts, tree } = source
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  const extent = { size, chunkBytes: CHUNK_BYTES }
  const chunks = chunkCount(extent)
  if (chunks > MANIFEST_MAX_CHUNKS) return refuse('file-too-large', `${size} bytes`)
  const hashes = new Uint8Array(chunks * 32)
  let isShort = false
  try {
    const indexes = Array.from({ length: chunks }, (_, index) => index)
    const onHash = (index: number, hash: Uint8Array | null): void => {
      if (hash === null) isShort = true
      else hashes.set(hash, index * 32)
    }
    await hashChunks({ parts, extent }, indexes, onHash, options)
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    if (cause instanceof LanyardError) return refuse(cause.refusal.code, cause.refusal.detail)
    return refuse('file-unreadable', cause instanceof Error ? cause.message : String(cause))
  }
  if (isShort || !(await isUnchanged(parts))) return refuse('file-changed', 'it changed while it was read')
  const manifest = { ...extent, hashes, ...(tree === undefined ? {} : { tree }) }
  return manifestBytes(manifest).byteLength > MANIFEST_MAX_BYTES
    ? refuse('file-too-large', 'too long a list')
    : manifest
}

/** Whether each file is still the one that was looked at. */
const isUnchanged = async (parts: readonly StampedPart[]): Promise<boolean> => {
  for (const { path, stamp } of parts) {
    const stats = await stat(path).catch(() => null)
    if (stats === null || stampOf(stats) !== stamp) return false
  }
  return true
}
