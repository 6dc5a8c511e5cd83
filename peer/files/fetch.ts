import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { FILE_RETRY_MS } from '../../shared/limits.ts'
import type { Session } from '../network/sessions.ts'
import { type Arriving, arrivingHolding, type Holding } from './holding.ts'
import { type Answered, type KnownManifest, knock, type WantedFile } from './knock.ts'
import { type Landed, openLanding } from './landing.ts'
import { createSwarm, type SwarmParts } from './swarm.ts'

export type FetchParts = SwarmParts & {
  /** The download folder. */
  readonly folder: string
  /** Free bytes of its disk; the system's answer unless given. */
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined
  /** The manifest has come. */
  readonly onManifest: (encoded: Uint8Array) => void
  /** From now on it can be served to others, as far as it is here. */
  readonly onArriving: (arriving: Arriving) => void
  /** It has its name. */
  readonly onNamed: (landed: Landed) => void
}

export type Fetching = {
  readonly wanted: WantedFile
  readonly room: Holding['room']
  /** The manifest, of an earlier time. */
  readonly known: KnownManifest | null
}

/**
 * Fetches a file or a folder from all members present who hold some of it, several at once, and goes on from what is on the
 * disk already. Resolves with where it is, or with why it can't go on; what has arrived is kept.
 */
export const fetchFile = async (parts: FetchParts, { wanted, room, known }: Fetching): Promise<string | Refusal> => {
  const answered = known === null ? await firstAnswers(parts, wanted) : []
  if (isRefusal(answered)) return answered
  const source = known ?? answered[0]
  if (source === undefined) return refuse('stream-closed', 'stopped')
  const { manifest, encoded } = source
  if (known === null) parts.onManifest(encoded)
  const { record: id, name, size, key } = wanted
  const { folder, freeBytes } = parts
  const landing = await openLanding({ folder, name, manifest, id, freeBytes }, { signal: parts.signal })
  if (isRefusal(landing)) {
    for (const { frames } of answered) frames.abort(landing.code)
    return landing
  }
  await using _closed = landing // after the swarm, which may be writing still
  const offer = { room, encoded, key, manifest, manifestHash: wanted.manifest, offer: { id, name, size } }
  const arriving = arrivingHolding(offer, landing)
  parts.onArriving(arriving)
  await using swarm = createSwarm(parts, wanted, arriving, landing, answered)
  const verdict = await swarm.run()
  if (verdict !== 'whole') return verdict
  const path = await landing.finish((landed) => {
    arriving.named(landed)
    parts.onNamed(landed)
  })
  await swarm.thank()
  return path
}

/** Asks all who are present until one of them has the manifest. */
const firstAnswers = async (parts: FetchParts, wanted: WantedFile): Promise<readonly Answered[] | Refusal> => {
  for (;;) {
    const woken = waker(parts)
    const answers = await Promise.all(parts.sessions.list().map((session) => knock(parts, wanted, session, null)))
    const holders = answers.flatMap((answer) => (isRefusal(answer) ? [] : [answer]))
    if (holders.length > 0 || parts.signal.aborted) {
      woken.stop()
      if (!parts.signal.aborted) return holders
      for (const { frames } of holders) frames.abort('stopped')
      return refuse('stream-closed', 'stopped')
    }
    const told = answers.find((answer) => isRefusal(answer) && answer.code !== 'file-not-held')
    parts.onWaiting(isRefusal(told) ? told : refuse('file-not-held', 'nobody who has it is present'))
    await woken.promise
  }
}

/** Resolves when somebody comes, when somebody asks for the file, when it is to stop, or after a while. */
const waker = ({ sessions, onAsked, signal }: FetchParts) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = (): void => resolve()
  const ends = [
    sessions.onChange(({ kind }) => {
      if (kind === 'began') wake()
    }),
    onAsked((_: Session) => wake()),
  ]
  const timer = setTimeout(wake, FILE_RETRY_MS)
  signal.addEventListener('abort', wake)
  const stop = (): void => {
    for (const end of ends) end()
    clearTimeout(timer)
    signal.removeEventListener('abort', wake)
  }
  return { promise: promise.finally(stop), stop: wake }
}
