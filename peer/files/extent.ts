/** How large a file is, and where its chunks begin. */
export type Extent = {
  /** Bytes. */
  readonly size: number
  /** Bytes of every chunk but the last, which has the rest. */
  readonly chunkBytes: number
}

/** The empty file has none. */
export const chunkCount = ({ size, chunkBytes }: Extent): number => Math.ceil(size / chunkBytes)

/** Bytes of one chunk; 0 past the end. */
export const chunkLength = ({ size, chunkBytes }: Extent, index: number): number =>
  Math.max(0, Math.min(chunkBytes, size - index * chunkBytes))
