/** One bit a chunk, lowest bit first: 100,000 chunks in 12.5 KB, in memory as in the resume note. */
export type Bitmap = Uint8Array

export const emptyBitmap = (bits: number): Bitmap => new Uint8Array(Math.ceil(bits / 8))

export const hasBit = (bitmap: Bitmap, index: number): boolean => ((byteAt(bitmap, index) >> (index & 7)) & 1) === 1

/** Sets the bit, and returns the number of the byte that holds it. */
export const setBit = (bitmap: Bitmap, index: number): number => {
  const at = index >> 3
  bitmap[at] = byteAt(bitmap, index) | (1 << (index & 7))
  return at
}

/** How many of the first `bits` bits are set. */
export const countBits = (bitmap: Bitmap, bits: number): number => {
  let count = 0
  for (let index = 0; index < bits; index++) if (hasBit(bitmap, index)) count++
  return count
}

const byteAt = (bitmap: Bitmap, index: number): number => bitmap[index >> 3] ?? 0
