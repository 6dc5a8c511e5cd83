/**
 * Puts bytes through a cipher of `node:crypto` into memory that is there already; they may be the same.
 *
 * Node makes memory for each answer of a cipher, which stays until the collector comes by: half of a transfer's time and a
 * hundred MB were that. So each answer is copied, and its memory given back at once, for the next one: half the time, and
 * nothing is left behind (measured, a MiB: 0.2 ms for 0.4).
 */
export const inPieces = (
  cipher: { update(piece: Uint8Array): Uint8Array },
  from: Uint8Array,
  into: Uint8Array,
): Uint8Array => {
  for (let at = 0; at < from.byteLength; at += PIECE_BYTES) {
    const piece = cipher.update(from.subarray(at, at + PIECE_BYTES))
    into.set(piece, at)
    if (piece.buffer instanceof ArrayBuffer && piece.buffer.byteLength === piece.byteLength) piece.buffer.transfer(0)
  }
  return into.subarray(0, from.byteLength)
}

const PIECE_BYTES = 64 * 1024 // past 128 KiB the allocator asks the system for new pages each time
