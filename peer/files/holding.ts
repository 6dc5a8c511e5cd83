import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { type Bitmap, hasBit } from './bitmap.ts'
import type { SealedFile } from './chunk.ts'
import type { Landed, Landing } from './landing.ts'
import { openSpan, type Part } from './span.ts'

/** A file or a folder that we can serve: all of it, or what has come so far. */
export type Holding = SealedFile & {
  readonly room: RoomId
  /** The manifest's bytes. */
  readonly encoded: Uint8Array
  /** The message that offered it. */
  readonly offer: { readonly id: RecordHash; readonly name: string; readonly size: number }
  /** The chunks that are here; null: all of them. */
  have(): Bitmap | null
  /** Tells of each chunk that comes. @returns a function that ends it */
  onCome(listener: (index: number) => void): () => void
  /** Opens it for one road. */
  open(): ChunkReader
}

export type ChunkReader = AsyncDisposable & {
  /** @param into memory for the chunk */
  read(index: number, into: Uint8Array): Promise<Uint8Array | Refusal>
}

type Offer = Omit<Holding, 'have' | 'onCome' | 'open'>

/** One that is here whole. */
export const wholeHolding = (offer: Offer, parts: readonly Part[]): Holding => ({
  ...offer,
  have: () => null,
  onCome: () => () => undefined,
  open: () => openSpan(parts, offer.manifest),
})

/** One that is on its way to us, and already goes on to others. */
export type Arriving = Holding & {
  /** A chunk is on the disk. */
  came(index: number): void
  /** It has got its name; `null` until it is whole. */
  named(landed: Landed): void
}

/** @param landing where it lands; it may be closed once `named` was told */
export const arrivingHolding = (offer: Offer, landing: Landing): Arriving => {
  const listeners = new Set<(index: number) => void>()
  let landed: Landed | null = null
  const naming = Promise.withResolvers<void>()
  return {
    ...offer,
    have: () => (landed === null ? landing.landed.slice() : null),
    onCome: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    came: (index) => {
      for (const listener of listeners) listener(index)
    },
    named: (now) => {
      landed = now
      naming.resolve()
    },
    open: () => {
      let span: ReturnType<typeof openSpan> | null = null
      let over = false
      const readNamed = async (index: number, into: Uint8Array): Promise<Uint8Array | Refusal> => {
        if (over) return refuse('stream-closed') // who waited for the name is gone, and nobody would close what opens now
        span ??= openSpan(landed?.parts ?? [], offer.manifest)
        return await span.read(index, into)
      }
      return {
        read: async (index, into) => {
          if (landed !== null) return await readNamed(index, into)
          if (!hasBit(landing.landed, index)) return refuse('file-not-held')
          const chunk = await landing.read(index, into).catch(() => refuse('file-unreadable'))
          // It may just have moved to its name.
          if (!isRefusal(chunk) || !landing.isWhole()) return chunk
          await naming.promise
          return await readNamed(index, into)
        },
        [Symbol.asyncDispose]: async () => {
          over = true
          await span?.close()
        },
      }
    },
  }
}
