import { refuse } from '../../shared/errors.ts'
import type { Frames } from '../../shared/network/frames.ts'

/** Two ends of a road in memory: what one sends the other receives. */
export const framePair = (): readonly [Frames, Frames] => {
  const [to, fro] = [line(), line()]
  const end = (incoming: Line, outgoing: Line): Frames => {
    const over = (): void => {
      incoming.end()
      outgoing.end()
    }
    return {
      handsBack: false,
      send: async (...parts) => outgoing.put(Buffer.concat(parts)),
      receive: () => incoming.next(),
      recycle: () => undefined,
      close: async () => outgoing.end(),
      abort: over,
    }
  }
  return [end(fro, to), end(to, fro)]
}

type Line = ReturnType<typeof line>

const line = () => {
  const waiting: Uint8Array[] = []
  let ended = false
  let wake = (): void => undefined
  return {
    put: (frame: Uint8Array): void => {
      if (!ended) waiting.push(frame)
      wake()
    },
    end: (): void => {
      ended = true
      wake()
    },
    next: async () => {
      while (waiting.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return waiting.shift() ?? refuse('stream-closed')
    },
  }
}
