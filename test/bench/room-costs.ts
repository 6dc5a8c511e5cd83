import type { ParsedRecord } from '../../peer/log/record.ts'
import { recordCodec } from '../../shared/wire/record.ts'
import { createCrew, found, type Hand, introduce } from './crew.ts'
import { cpuMsSince, type Metrics, median, metric, nowMs, withAim } from './figures.ts'
import type { Floor } from './floor.ts'
import { watchStalls, watchTurns } from './stalls.ts'

const SIZES = [2, 8, 32, 100, 1_000]
const TEXT = 'x'.repeat(200)
const MESSAGES = 1_000
const ROTATIONS = 5

/**
 * What a message and a new key cost a device by themselves, with nothing between the devices: one seals, numbers, stores and
 * signs, the other verifies, stores and opens, in a burst. All members but these two are directory entries with real prekeys.
 */
export const roomCosts = async (folder: string, floor: Floor, say: (line: string) => void): Promise<Metrics> => {
  let all: Metrics = {}
  for (const size of SIZES) {
    const crew = createCrew(folder)
    try {
      const speaker = await crew.hire('speaker')
      const reader = await crew.hire('reader')
      await introduce([speaker, reader])
      const away = await crew.register(size - 2, [speaker, reader])
      all = { ...all, ...(await costsAt(size, speaker, reader, away, floor)) }
      say(`${size} members: ${JSON.stringify(valuesOf(all, size))}`)
    } finally {
      await crew.stop()
    }
  }
  return all
}

const costsAt = async (size: number, speaker: Hand, reader: Hand, away: readonly Hand['name'][], floor: Floor) => {
  const signed: ParsedRecord[] = []
  speaker.ears.onSigned = (records) => void signed.push(...records)
  const take = async (): Promise<void> => {
    await speaker.life.core.author.idle()
    await Promise.all(signed.splice(0).map(reader.life.core.ingest.take))
    await reader.life.core.ingest.idle()
  }
  const beganFounding = nowMs()
  const room = await found(speaker, [reader.name, ...away])
  const foundMs = nowMs() - beganFounding
  await take()
  const { chat, compose } = speaker.life.core
  const talk = async (): Promise<void> => {
    await Promise.all(Array.from({ length: MESSAGES }, () => chat.say(room, TEXT)))
    await speaker.life.core.author.idle()
  }
  await talk() // compiled, and the first key made
  await take()
  const seals: number[] = []
  const opens: number[] = []
  const cpus: number[] = []
  for (let round = 0; round < 3; round++) {
    await compose.rekey(room)
    await take()
    const usage = process.cpuUsage()
    const began = nowMs()
    await talk()
    const sealed = nowMs()
    await take()
    seals.push((sealed - began) / MESSAGES)
    opens.push((nowMs() - sealed) / MESSAGES)
    cpus.push(cpuMsSince(usage) / MESSAGES)
  }
  const rotations: number[] = []
  const stalls: number[] = []
  const rotationCpus: number[] = []
  const turns: number[] = []
  let boxes = 0
  for (let round = 0; round < ROTATIONS; round++) {
    const watch = watchStalls()
    const usage = process.cpuUsage()
    const began = nowMs()
    await compose.rekey(room)
    rotations.push(nowMs() - began)
    rotationCpus.push(cpuMsSince(usage))
    stalls.push(watch.longest())
    const turning = watchTurns()
    await compose.rekey(room)
    turns.push(turning.longest())
    await speaker.life.core.author.idle()
    boxes = signed
      .filter(({ header }) => header.kind === 'sender-key')
      .reduce((sum, { wire }) => sum + recordCodec.encode(wire).byteLength / 2, 0)
    await take()
  }
  const seal = median(seals)
  const open = median(opens)
  const rotation = metric(median(rotations), 'ms', floor.x25519Ms * 2 * (size - 1))
  return {
    [`roomSealMs${size}`]: metric(seal, 'ms', floor.signMs),
    [`roomOpenMs${size}`]: metric(open, 'ms', floor.verifyMs),
    [`roomSealOpenMs${size}`]: withAim(metric(seal + open, 'ms', floor.signMs), '≤', 1),
    [`roomSealOpenCpuMs${size}`]: metric(median(cpus), 'ms', floor.signMs),
    [`roomRotationMs${size}`]: size === 1_000 ? withAim(rotation, '≤', 400) : rotation,
    [`roomRotationCpuMs${size}`]: metric(median(rotationCpus), 'ms', floor.x25519Ms * 2 * (size - 1)),
    [`roomRotationStallMs${size}`]: metric(median(stalls), 'ms', floor.idleStallMs),
    [`roomRotationTurnMs${size}`]: withAim(metric(median(turns), 'ms', floor.signMs), '≤', 20),
    [`roomBoxBytes${size}`]: metric(boxes, 'B'),
    [`roomFoundedMs${size}`]: metric(foundMs, 'ms'),
  } satisfies Metrics
}

const valuesOf = (all: Metrics, size: number): Record<string, number> =>
  Object.fromEntries(
    Object.entries(all).flatMap(([name, { value }]) => (name.endsWith(`s${size}`) ? [[name, value]] : [])),
  )
