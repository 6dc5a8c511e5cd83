import { concat } from 'uint8arrays/concat'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { CRL_MAX_BYTES, CRL_PIECE_BYTES, DAY_MS, KIB } from '../limits.ts'
import type { RevocationMessage } from '../wire/revocation.ts'
import { revocationCodec } from '../wire/revocation.ts'
import { type Channel, openChannel } from './channel.ts'
import type { Stream } from './node.ts'

/** One side's newest revocation list. */
export type ListHolder = {
  /** Number of the list that is held; 0 for none. */
  number(): number
  /** The list, DER; null for none. */
  der(): Uint8Array | null
  /** A list has come whole: takes it if it is good and newer. */
  take(der: Uint8Array): Promise<void>
  /** Called when a newer list is held. @returns a function that ends the calls */
  onNewer(listener: () => void): () => void
}

/**
 * Keeps both ends of a stream at the higher of their two lists, until the stream ends. The same at both ends.
 * @returns why it ended
 */
export const exchangeLists = async (stream: Stream, holder: ListHolder): Promise<Refusal> => {
  const channel = openChannel(
    stream,
    { incoming: revocationCodec, outgoing: revocationCodec },
    { maxFrameBytes: CRL_PIECE_BYTES + KIB },
  )
  const theirs = { number: 0, known: false }
  let line: Promise<void> = Promise.resolve()
  /** One list at a time; what is newer by the time of its turn goes instead. */
  const tell = (): void => {
    line = line.then(async () => {
      const [number, der] = [holder.number(), holder.der()]
      if (!theirs.known || der === null || number <= theirs.number) return
      theirs.number = number
      await channel.send({ kind: 'have', number }) // so that it does not come back to us
      await sendList(channel, der)
    })
    line.catch(() => channel.abort('the other side does not read'))
  }
  const end = holder.onNewer(tell)
  try {
    await channel.send({ kind: 'have', number: holder.number() })
    return await listen(channel, holder, (number) => {
      theirs.number = Math.max(theirs.number, number)
      theirs.known = true
      tell()
    })
  } finally {
    end()
    await line.catch(() => undefined)
    await channel.close()
  }
}

type Line = Channel<RevocationMessage, RevocationMessage>

const listen = async (channel: Line, holder: ListHolder, onHave: (number: number) => void): Promise<Refusal> => {
  let pieces: Uint8Array[] = []
  let size = 0
  for (;;) {
    const message = await channel.receive(DAY_MS)
    if (isRefusal(message)) {
      if (message.code === 'too-late') continue // a day without a word is no fault here
      return message
    }
    switch (message.kind) {
      case 'have':
        onHave(message.number)
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
        await holder.take(concat(pieces))
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
