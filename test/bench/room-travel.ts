import type { RoomId } from '../../shared/ids.ts'
import { createCrew, found, type Hand, introduce } from './crew.ts'
import { type Metrics, median, metric, nowMs, percentile } from './figures.ts'
import type { Floor } from './floor.ts'
import { createWires } from './in-memory.ts'

const SIZES = [2, 8, 32, 100, 1_000]
const LIVE_MAX = 100 // devices that run here; of a larger room so many run, and the others are directory entries …
const LIVE_OF_1000 = 8 // … or so many
const TEXT = 'x'.repeat(200)
const ALONE_DELIVERIES = 500 // of messages one at a time
const WARM_UP_DELIVERIES = 3_500
const STREAM_DELIVERIES = 14_000 // texts times readers
const WINDOW = 256

/**
 * A text from `say()` at one device to the event at each of the others: one at a time, and as a stream from one. All devices
 * run in this process, on one core, each with its own database in a file; the wires between them are memory. So the times of
 * n members are those of n devices behind each other, and the deliveries a second are what tells of a device.
 */
export const roomTravel = async (folder: string, floor: Floor, say: (line: string) => void): Promise<Metrics> => {
  let all: Metrics = {}
  for (const size of SIZES) {
    const live = size <= LIVE_MAX ? size : LIVE_OF_1000
    const crew = createCrew(folder)
    try {
      const hands: Hand[] = []
      for (let at = 0; at < live; at++) hands.push(await crew.hire(`hand-${at}`))
      const away = await crew.register(size - live, hands)
      all = { ...all, ...(await travelAt(size, hands, away, floor)) }
      say(
        `${size} members, ${live} of them running: ${Math.round(all[`roomRelayPerSecond${size}`]?.value ?? 0)} messages/s`,
      )
    } finally {
      await crew.stop()
    }
  }
  return all
}

const travelAt = async (
  size: number,
  hands: readonly Hand[],
  away: readonly Hand['name'][],
  floor: Floor,
): Promise<Metrics> => {
  const [speaker, ...readers] = hands
  if (speaker === undefined) throw new Error('nobody speaks')
  await introduce(hands)
  const wires = createWires()
  wires.join(hands)
  const room = await found(speaker, [...readers.map(({ name }) => name), ...away])
  await everybodyIn(room, size, hands)
  await stream(room, speaker, readers, timesFor(WARM_UP_DELIVERIES, readers)) // compiled, and the keys are made
  const alone: number[] = []
  for (let at = 0; at < timesFor(ALONE_DELIVERIES, readers); at++) alone.push(...(await sayOne(room, speaker, readers)))
  wires.bytes()
  const count = timesFor(STREAM_DELIVERIES, readers)
  const perSecond = await stream(room, speaker, readers, count)
  const bytes = wires.bytes() / (count * readers.length)
  return {
    [`roomRelayP50Ms${size}`]: metric(median(alone), 'ms', floor.signMs),
    [`roomRelayP99Ms${size}`]: metric(percentile(alone, 0.99), 'ms', floor.signMs),
    [`roomRelayPerSecond${size}`]: metric(perSecond, '1/s', 1_000 / floor.signMs),
    [`roomDeliveriesPerSecond${size}`]: metric(perSecond * readers.length, '1/s', 1_000 / floor.signMs),
    [`roomWireBytes${size}`]: metric(bytes, 'B'),
  }
}

const timesFor = (deliveries: number, readers: readonly Hand[]): number =>
  Math.max(10, Math.round(deliveries / readers.length))

const everybodyIn = async (room: RoomId, size: number, hands: readonly Hand[]): Promise<void> => {
  const isIn = ({ life }: Hand): boolean => life.core.rooms.get(room)?.facts().members?.size === size
  const until = nowMs() + SETTLE_MS
  while (!hands.every(isIn)) {
    if (nowMs() > until) throw new Error('the invitations did not reach everybody')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
const SETTLE_MS = 120_000

/** Milliseconds until each of the readers has it. */
const sayOne = async (room: RoomId, speaker: Hand, readers: readonly Hand[]): Promise<number[]> => {
  const took: number[] = []
  const heard = Promise.all(readers.map((reader) => hears(reader, 1).then(() => took.push(nowMs() - began))))
  const began = nowMs()
  await speaker.life.core.chat.say(room, TEXT)
  await heard
  return took
}

/** Messages a second, until the last reader has the last. */
const stream = async (room: RoomId, speaker: Hand, readers: readonly Hand[], count: number): Promise<number> => {
  const heard = Promise.all(readers.map((reader) => hears(reader, count)))
  const began = nowMs()
  const flying = new Set<Promise<unknown>>()
  for (let at = 0; at < count; at++) {
    const said = speaker.life.core.chat.say(room, TEXT).finally(() => flying.delete(said))
    flying.add(said)
    if (flying.size >= WINDOW) await Promise.race(flying)
  }
  await heard
  return (count / (nowMs() - began)) * 1_000
}

const hears = ({ ears }: Hand, count: number): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let missing = count
  ears.onEvent = ({ kind }) => {
    if (kind === 'message' && --missing === 0) resolve()
  }
  return promise
}
