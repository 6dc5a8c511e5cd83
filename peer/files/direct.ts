import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { CHUNK_BYTES, DIRECT_BLOCK_BYTES, DIRECT_WRITES_MAX } from '../../shared/limits.ts'
import { codeOf } from './span.ts'

/**
 * Writes to a file past the system's cache of the disk (O_DIRECT, open(2)). What lands here is read by nobody soon, and to
 * find pages for it costs the system several times what all our hashes and ciphers do: measured on a virtual machine, a GiB
 * written and synced takes 0.8 s this way and 3 to 5 s through the cache.
 */
export type DirectFile = AsyncDisposable & {
  /**
   * Writes whole blocks in their place. False: not in this way; nothing was written, and the ordinary one is to be taken.
   * @throws what the file system throws, such as ENOSPC
   */
  write(bytes: Uint8Array, position: number): Promise<boolean>
}

/** Opens a file that is there; `null` where the system or the file system has no such way, as macOS and Windows. */
export const openDirect = async (path: string): Promise<DirectFile | null> => {
  const memory = alignedMemory()
  const flag = constants.O_DIRECT // not defined on every system
  if (memory === null || flag === undefined) return null
  const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | flag).catch((cause: unknown) => {
    if (UNABLE.has(codeOf(cause))) return null
    throw cause
  })
  return file === null ? null : directFile(file, memory)
}

const directFile = (file: FileHandle, memory: readonly Uint8Array[]): DirectFile => {
  const free = [...memory]
  const waiting: ((piece: Uint8Array) => void)[] = []
  const take = (): Uint8Array | Promise<Uint8Array> =>
    free.pop() ?? new Promise<Uint8Array>((resolve) => waiting.push(resolve))
  const give = (piece: Uint8Array): void => {
    const next = waiting.shift()
    if (next === undefined) free.push(piece)
    else next(piece)
  }
  let able = true
  return {
    write: async (bytes, position) => {
      const { byteLength } = bytes
      const isBlocks = byteLength % DIRECT_BLOCK_BYTES === 0 && position % DIRECT_BLOCK_BYTES === 0
      if (!able || !isBlocks || byteLength > CHUNK_BYTES) return false
      const piece = await take()
      try {
        piece.set(bytes) // 0.03 ms a MiB
        for (let written = 0; written < byteLength; ) {
          const { bytesWritten } = await file.write(piece, written, byteLength - written, position + written)
          written += bytesWritten
        }
        return true
      } catch (cause) {
        // A disk with larger blocks, or a file system that finds out late.
        if (!UNABLE.has(codeOf(cause))) throw cause
        able = false
        return false
      } finally {
        give(piece)
      }
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

const UNABLE: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

const WASM_PAGE_BYTES = 64 * 1024

/** The disk reads from whole pages only, and no memory of Node's begins at one but that of WebAssembly. Null: there is none. */
const alignedMemory = (): readonly Uint8Array[] | null => {
  const pages = (DIRECT_WRITES_MAX * CHUNK_BYTES) / WASM_PAGE_BYTES
  try {
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    return Array.from({ length: DIRECT_WRITES_MAX }, (_, at) => new Uint8Array(buffer, at * CHUNK_BYTES, CHUNK_BYTES))
  } catch {
    return null // it takes gigabytes of addresses, which some systems count
  }
}
