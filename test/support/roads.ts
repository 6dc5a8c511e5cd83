import type { Session } from '../../peer/network/sessions.ts'
import { type Refusal, refuse } from '../../shared/errors.ts'
import type { PeerId, UserName } from '../../shared/ids.ts'
import type { Frames } from '../../shared/network/frames.ts'

/** Two ends of a road in memory: what one sends, the other receives. */
export const roadPair = (): readonly [Frames, Frames] => {
  const ends = [createEnd(), createEnd()] as const
  const framesOf = (mine: End, theirs: End): Frames => ({
    send: async (...parts) => {
      if (mine.over || theirs.over) throw new Error('closed')
      theirs.take(new Uint8Array(Buffer.concat(parts)))
    },
    receive: (timeoutMs = 15_000) => mine.next(timeoutMs),
    recycle: () => undefined,
    close: async () => theirs.end(),
    abort: () => {
      mine.end()
      theirs.end()
    },
  })
  return [framesOf(ends[0], ends[1]), framesOf(ends[1], ends[0])]
}

type End = ReturnType<typeof createEnd>

const createEnd = () => {
  const ready: Uint8Array[] = []
  let over = false
  let wake: () => void = () => undefined
  return {
    get over() {
      return over
    },
    take: (frame: Uint8Array): void => {
      ready.push(frame)
      wake()
    },
    end: (): void => {
      over = true
      wake()
    },
    next: async (timeoutMs: number): Promise<Uint8Array | Refusal> => {
      const deadline = performance.now() + timeoutMs
      for (;;) {
        const frame = ready.shift()
        if (frame !== undefined) return frame
        if (over) return refuse('stream-closed')
        const left = deadline - performance.now()
        if (left <= 0) return refuse('too-late')
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    },
  }
}

/** Somebody who is here, as far as files need to know. */
export const fakeSession = (name: string): Session =>
  ({ device: { peerId: name as PeerId, user: name as UserName } }) as unknown as Session
