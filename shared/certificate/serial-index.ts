import { SERIAL_MAX_BYTES } from '../limits.ts'

/**
 * Finds serial numbers in the bytes that they stand in. There is no text and no object for each, so that 100,000 of them
 * take 1 MiB and some milliseconds.
 */
export class SerialIndex {
  readonly #bytes: Uint8Array
  // Open addressing, at most half full. A place says where a serial begins and how long it is; 0: nothing is there.
  readonly #places: Uint32Array
  #size = 0

  /** @param most how many there may be */
  constructor(bytes: Uint8Array, most: number) {
    this.#bytes = bytes
    this.#places = new Uint32Array(2 ** Math.ceil(Math.log2(2 * most + 2)))
  }

  get size(): number {
    return this.#size
  }

  /**
   * Notes the serial number from `from` to `to`, which is not at the very beginning.
   * @returns false when that number is here already
   */
  add(from: number, to: number): boolean {
    const place = this.#placeOf(this.#bytes, from, to)
    if (this.#places[place] !== 0) return false
    this.#places[place] = from * WIDTH + (to - from)
    this.#size += 1
    return true
  }

  /** Where that number begins, or -1. */
  find(serial: Uint8Array): number {
    if (serial.byteLength === 0 || serial.byteLength > SERIAL_MAX_BYTES) return -1
    const taken = this.#places[this.#placeOf(serial, 0, serial.byteLength)] ?? 0
    return taken === 0 ? -1 : startOf(taken)
  }

  /** The place that holds the number, or the free one where it belongs. */
  #placeOf(bytes: Uint8Array, from: number, to: number): number {
    const places = this.#places
    const last = places.length - 1
    let place = hash(bytes, from, to) & last
    for (;;) {
      const taken = places[place] ?? 0
      if (taken === 0 || isAt(this.#bytes, taken, bytes, from, to)) return place
      place = (place + 1) & last
    }
  }
}

const WIDTH = 32 // more than a serial number has bytes; 2 ** 32 / 32 is more than a list may have
const startOf = (taken: number): number => Math.floor(taken / WIDTH)

const isAt = (own: Uint8Array, taken: number, bytes: Uint8Array, from: number, to: number): boolean => {
  if (taken % WIDTH !== to - from) return false
  const shift = startOf(taken) - from
  for (let at = from; at < to; at++) if (own[at + shift] !== bytes[at]) return false
  return true
}

/** FNV-1a. Serial numbers are their issuer's choice: nobody else can make them collide. */
const hash = (bytes: Uint8Array, from: number, to: number): number => {
  let sum = 0x811c9dc5
  for (let at = from; at < to; at++) sum = Math.imul(sum ^ (bytes[at] ?? 0), 0x01000193)
  return sum ^ (sum >>> 15)
}
