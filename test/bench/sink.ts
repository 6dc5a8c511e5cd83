import { type FileHandle, open, rm } from 'node:fs/promises'

const PIECE_BYTES = 1024 * 1024
const HIGH_BYTES = 16 * PIECE_BYTES

/** Where copied bytes go: a file, written a MiB at a time and synced at the end, or nowhere. */
export type Sink = {
  /** False: a lot waits for the disk; hold back until `onDrain`. */
  take(piece: Uint8Array): boolean
  /** Resolves once all of it has come, and is on the disk. */
  readonly whole: Promise<void>
}

/** @param to null for bytes that are only counted */
export const createSink = (to: string | null, size: number, onDrain: () => void = () => undefined): Sink => {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  let received = 0
  let wake = (): void => undefined
  const take: Sink['take'] = (piece) => {
    received += piece.byteLength
    if (to !== null) {
      waiting.push(piece)
      waitingBytes += piece.byteLength
    }
    if (waitingBytes >= PIECE_BYTES || received >= size) wake()
    return waitingBytes < HIGH_BYTES
  }
  const write = async (): Promise<void> => {
    await using file = to === null ? null : await open(to, 'w')
    for (let written = 0; written < size; ) {
      if (file === null ? received < size : waitingBytes < PIECE_BYTES && received < size) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const pieces = waiting
      written += file === null ? received - written : waitingBytes
      const wasHigh = waitingBytes >= HIGH_BYTES
      waiting = []
      waitingBytes = 0
      if (wasHigh) onDrain()
      await file?.writev(pieces)
    }
    await file?.sync()
  }
  return { take, whole: write() }
}

/** Sends a file piece by piece; the next is read while one is sent. @param send resolves when more may be sent */
export const sendFile = async (path: string, send: (piece: Uint8Array) => Promise<void>): Promise<void> => {
  await using file = await open(path, 'r')
  let ahead = readPiece(file, 0)
  for (let at = 0; ; ) {
    const piece = await ahead
    if (piece.byteLength === 0) return
    at += piece.byteLength
    ahead = readPiece(file, at)
    await send(piece)
  }
}

export const removeCopy = async (to: string | null): Promise<void> => {
  if (to !== null) await rm(to)
}

const readPiece = async (file: FileHandle, position: number): Promise<Uint8Array> => {
  const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES, position)
  return buffer.subarray(0, bytesRead)
}
