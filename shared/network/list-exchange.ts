import { concat } from 'uint8arrays/concat'
import type { Succession } from '../certificate/lineage.ts'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { CRL_MAX_BYTES, CRL_PIECE_BYTES, DAY_MS, KIB, SUCCESSIONS_MAX } from '../limits.ts'
import type { RevocationMessage } from '../wire/revocation.ts'
import { revocationCodec } from '../wire/revocation.ts'
import { type Channel, openChannel } from './channel.ts'
import type { Stream } from './node.ts'

/** One side's newest revocation list, and the roots that it knows. */
export type ListHolder = {
  /** Number of the list that is held; 0 for none. */
  number(): number
  /** The list, DER; null for none. */
  der(): Uint8Array | null
  /** A list has come whole: takes it if it is good and newer. */
  take(der: Uint8Array): Promise<void>
  /** Number of the newest root that is known; 1 for the first. */
  generation(): number
  /** How the roots with a higher number than this followed, the oldest first. */
  successionsAfter(generation: number): readonly Succession[]
  /** A succession has come: takes it if it is good and newer. */
  follow(succession: Succession): void
  /**
   * Older lists by which somebody is out whom the newest one forgets: they are passed on as well. A CA that was put back
   * from a backup may have made such a newest one.
   */
  kept(): readonly { readonly number: number; readonly der: Uint8Array }[]
  /**
   * What to say that we hold to who holds the list of this number: less than that asks for it, and ours is not told before
   * it has come. Without it we say what we hold.
   */
  answer?(theirs: number): Promise<number>
  /** Called when a newer list is held, or a newer root is known. @returns a function that ends the calls */
  onNewer(listener: () => void): () => void
}

/**
 * Keeps both ends of a stream at the higher of their two lists and roots, until the stream ends. The same at both ends.
 * @returns why it ended
 */
export const exchangeLists = async (stream: Stream, holder: ListHolder): Promise<Refusal> => {
  const channel = openChannel(
    stream,
    { incoming: revocationCodec, outgoing: revocationCodec },
    { maxFrameBytes: CRL_PIECE_BYTES + KIB },
  )
  const theirs = { number: 0, root: 0, known: false }
  const told = new Set<number>() // kept lists
  let asking = false
  let line: Promise<void> = Promise.resolve()
  /** One list at a time; what is newer by the time of its turn goes instead. */
  const tell = (): void => {
    line = line.then(async () => {
      if (!theirs.known || asking) return
      const [number, der, root] = [holder.number(), holder.der(), holder.generation()]
      const roots = holder.successionsAfter(theirs.root)
      const list = number > theirs.number ? der : null
      const kept = holder.kept().filter((one) => !told.has(one.number))
      if (list === null && roots.length === 0 && kept.length === 0) return
      theirs.number = Math.max(number, theirs.number)
      theirs.root = Math.max(root, theirs.root)
      await channel.send({ kind: 'have', number, root }) // so that it does not come back to us
      // The roots first: the list is signed by the newest of them.
      for (const succession of roots) await channel.send({ kind: 'succession', succession })
      if (list !== null) await sendList(channel, list)
      for (const { number: older, der: forgotten } of kept) {
        told.add(older)
        await sendList(channel, forgotten)
      }
    })
    line.catch(() => channel.abort('the other side does not read'))
  }
  const end = holder.onNewer(tell)
  try {
    if (holder.answer === undefined) {
      await channel.send({ kind: 'have', number: holder.number(), root: holder.generation() })
    }
    const onHave = async ({ number, root }: Have): Promise<void> => {
      if (!theirs.known && holder.answer !== undefined) {
        const answer = await holder.answer(number)
        asking = answer < number
        await channel.send({ kind: 'have', number: answer, root: holder.generation() })
      }
      theirs.number = Math.max(theirs.number, number)
      theirs.root = Math.max(theirs.root, root)
      theirs.known = true
      tell()
    }
    const onList = async (der: Uint8Array): Promise<void> => {
      await holder.take(der)
      asking = false
      tell()
    }
    return await listen(channel, holder, { onHave, onList })
  } finally {
    end()
    await line.catch(() => undefined)
    await channel.close()
  }
}

type Line = Channel<RevocationMessage, RevocationMessage>

type Have = Extract<RevocationMessage, { kind: 'have' }>

type Heard = { onHave(have: Have): Promise<void>; onList(der: Uint8Array): Promise<void> }

const listen = async (channel: Line, holder: ListHolder, { onHave, onList }: Heard): Promise<Refusal> => {
  let pieces: Uint8Array[] = []
  let size = 0
  let roots = 0
  for (;;) {
    const message = await channel.receive(DAY_MS)
    if (isRefusal(message)) {
      if (message.code === 'too-late') continue // a day without a word is no fault here
      return message
    }
    switch (message.kind) {
      case 'have':
        await onHave(message)
        break
      case 'succession':
        roots += 1
        if (roots > SUCCESSIONS_MAX) {
          channel.abort('too many roots')
          return refuse('frame-malformed', `more than ${SUCCESSIONS_MAX} roots`)
        }
        holder.follow(message.succession)
        break
      case 'piece':
        size += message.der.byteLength
        if (size > CRL_MAX_BYTES) {
          channel.abort('frame-too-large')
          return refuse('frame-too-large', 'a revocation list')
        }
        pieces.push(message.der)
        break
      case 'end':
        await onList(concat(pieces))
        pieces = []
        size = 0
    }
  }
}

const sendList = async (channel: Line, der: Uint8Array): Promise<void> => {
  for (let at = 0; at < der.byteLength; at += CRL_PIECE_BYTES) {
    await channel.send({ kind: 'piece', der: der.subarray(at, at + CRL_PIECE_BYTES) })
  }
  await channel.send({ kind: 'end' })
}
