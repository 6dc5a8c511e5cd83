import type { KeyObject } from 'node:crypto'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ParsedRecord, parseWire } from '../../peer/log/record.ts'
import { fault, orThrow } from '../../shared/errors.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { createCrew, found, type Hand, introduce } from './crew.ts'
import { cpuMsSince, type Metrics, median, metric, nowMs, percentile, withAim } from './figures.ts'
import type { Floor } from './floor.ts'
import { type PeerChild, startBare, startPeer, writeProfile } from './pairs.ts'

const LENGTHS = [10_000, 100_000]
const WRITERS = 4
const AT_ONCE = 500 // messages of one writer in a row
const PROBE = 1_000 // messages, to see what one costs at this length of the history
const TEXT = 'x'.repeat(200)
const STARTS = 3
const SAY_EVERY_MS = 100
const MEMBERS = 1 + WRITERS + 1 // the holder, who writes, and the newcomer

/**
 * What a long history costs: a message in a room that has one; the start of a peer that holds it; and a newcomer, who pulls
 * all of it from one member, and each key from the key service, since no box was ever made for it.
 */
export const roomHistory = async (folder: string, floor: Floor, say: (line: string) => void): Promise<Metrics> => {
  let all: Metrics = {}
  for (const length of LENGTHS) {
    const crew = createCrew(folder)
    let stopped = false
    try {
      const holder = await crew.hire('holder')
      const writers: Hand[] = []
      for (let at = 0; at < WRITERS; at++) writers.push(await crew.hire(`writer-${at}`))
      const newcomer = await crew.identify('newcomer')
      holder.life.core.directory.add(newcomer.device)
      await introduce([holder, ...writers])
      const room = await found(holder, [...writers.map(({ name }) => name), newcomer.device.user])
      await holder.life.core.author.idle()
      const history = createHistory(room, holder, writers)
      await history.begin()
      const fresh = await history.probe()
      await history.grow(length)
      const grown = await history.probe()
      say(`${length} messages: one costs ${grown.toFixed(3)} ms, and ${fresh.toFixed(3)} with no history`)
      await crew.stop()
      stopped = true
      const total = length + WRITERS * AT_ONCE + 2 * PROBE
      const figures = await startAndCatchUp(folder, crew, holder, newcomer, { room, length: total }, floor)
      all = {
        ...all,
        [`roomMessageCostMs${length}`]: withAim(metric(grown / fresh, '×', 1), '≤', 1.5),
        [`roomMessageCpuMs${length}`]: metric(grown, 'ms', fresh),
        ...named(figures, length),
      }
    } finally {
      if (!stopped) await crew.stop()
    }
  }
  return all
}

const named = (figures: Metrics, length: number): Metrics =>
  Object.fromEntries(Object.entries(figures).map(([name, figure]) => [`${name}${length}`, figure]))

/** Four write and one holds it all; what passes between them passes in memory. */
const createHistory = (room: RoomId, holder: Hand, writers: readonly Hand[]) => {
  const signed: ParsedRecord[] = []
  for (const { ears } of writers) ears.onSigned = (records) => void signed.push(...records)
  const take = async (): Promise<void> => {
    await Promise.all(signed.splice(0).map(holder.life.core.ingest.take))
    await holder.life.core.ingest.idle()
  }
  const write = async (writer: Hand, count: number): Promise<void> => {
    await Promise.all(Array.from({ length: count }, () => writer.life.core.chat.say(room, TEXT)))
    await writer.life.core.author.idle()
  }
  const begin = async (): Promise<void> => {
    const { records } = holder.life.stores
    const invitations = (['room', 'invite'] as const).flatMap((kind) => records.ofKind(room, kind))
    for (const { life } of writers)
      await Promise.all(invitations.map(({ hash }) => life.core.ingest.take(recordOf(holder, hash))))
    for (const writer of writers) await write(writer, AT_ONCE)
    await take()
  }
  return {
    begin,
    /** Until the holder has so many more. */
    grow: async (count: number): Promise<void> => {
      for (let at = 0; at < count; at += AT_ONCE) {
        const writer = writers[(at / AT_ONCE) % WRITERS]
        if (writer !== undefined) await write(writer, AT_ONCE)
        await take()
      }
    },
    /** Milliseconds of processor that one more message costs the holder, who takes it in. */
    probe: async (): Promise<number> => {
      const took: number[] = []
      for (const writer of writers) {
        await write(writer, PROBE / WRITERS)
        const usage = process.cpuUsage()
        await take()
        took.push(cpuMsSince(usage) / (PROBE / WRITERS))
      }
      return median(took)
    },
  }
}

const recordOf = ({ life }: Hand, hash: RecordHash): ParsedRecord => {
  const wire = life.stores.records.wire(hash)
  if (wire === null) throw fault('fault', 'a record that is not signed')
  return orThrow(parseWire(wire))
}

/** The holder's database, in a process that starts; and a newcomer in another, with an empty one. */
const startAndCatchUp = async (
  folder: string,
  { network }: ReturnType<typeof createCrew>,
  holder: Hand,
  newcomer: { readonly key: KeyObject },
  { room, length }: { readonly room: RoomId; readonly length: number },
  floor: Floor,
): Promise<Metrics> => {
  const below = join(folder, `history-of-${length}`)
  await mkdir(below)
  const kept = await writeProfile(network, below, 'holder', holder.key)
  await rename(holder.path, join(kept.folder, 'lanyard.db'))
  const profile = { ...kept, storeKey: Buffer.from(holder.storeKey).toString('base64') }
  const ready: number[] = []
  const started: number[] = []
  const bare: number[] = []
  for (let at = 0; at < STARTS; at++) {
    const beganBare = nowMs()
    await using _alone = await startBare()
    bare.push((nowMs() - beganBare) / 2) // two processes, one after the other on a busy machine
    const began = nowMs()
    await using peer = startPeer(profile)
    const { tookMs } = await peer.next('ready')
    ready.push(nowMs() - began)
    started.push(tookMs)
  }
  await using server = startPeer(profile)
  await using reader = startPeer(await writeProfile(network, below, 'newcomer', newcomer.key))
  const [{ peer, addresses }] = await Promise.all([server.next('ready'), reader.next('ready')])
  for (const one of [server, reader]) {
    one.tell({ do: 'usage' })
    await one.next('usage')
  }
  reader.tell({ do: 'expect', count: length })
  const began = nowMs()
  reader.tell({ do: 'meet', peer, addresses })
  reader.tell({ do: 'enter', room, members: MEMBERS })
  const whole = reader.next('heard-all')
  const said = await chatUntil(whole, reader, server)
  const { at } = await whole
  for (const one of [server, reader]) one.tell({ do: 'usage' })
  const [served, caught] = await Promise.all([server.next('usage'), reader.next('usage')])
  const seconds = metric((at - began) / 1_000, 's', (length * floor.verifyMs) / 1_000)
  const cold = metric(median(ready) / 1_000, 's', median(bare) / 1_000)
  const long = length > 50_000
  return {
    roomStartSeconds: long ? withAim(cold, '≤', 1) : cold,
    roomOpenStoreSeconds: metric(median(started) / 1_000, 's'),
    roomCatchUpSeconds: long ? withAim(seconds, '≤', 15) : seconds,
    roomCatchUpCpuSeconds: metric(caught.cpuMs / 1_000, 's'),
    roomSaidInCatchUp: metric(said.length, 'messages'),
    roomSaidInCatchUpP50Ms: metric(median(said), 'ms'),
    roomSaidInCatchUpP99Ms: metric(percentile(said, 0.99), 'ms'),
    roomCatchUpStallMs: metric(caught.stallMs, 'ms', floor.idleStallMs),
    roomServeStallMs: metric(served.stallMs, 'ms', floor.idleStallMs),
    roomHolderMiB: metric(served.rssBytes / 2 ** 20, 'MiB'),
    roomNewcomerMiB: metric(caught.rssBytes / 2 ** 20, 'MiB'),
  }
}

/** The newcomer talks while the past is still coming: milliseconds from each `say()` to its event at the member who serves that. */
const chatUntil = async (whole: Promise<unknown>, reader: PeerChild, server: PeerChild): Promise<readonly number[]> => {
  await reader.next('entered')
  const took: number[] = []
  let isOver = false
  whole.then(() => {
    isOver = true
  })
  while (!isOver) {
    reader.tell({ do: 'say', text: TEXT })
    const [said, heard] = await Promise.all([reader.next('said'), server.next('heard')])
    took.push(heard.at - said.at)
    await pause(SAY_EVERY_MS)
  }
  return took
}
