import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mergedInTime } from '../../peer/log/merge.ts'
import { createTurns } from '../../peer/log/turns.ts'
import type { Step } from '../../peer/store/serving.ts'
import { type RecordHash, type RoomId, sha256, toHex } from '../../shared/ids.ts'
import { MERGE_PREFETCH_RECORDS } from '../../shared/limits.ts'

const room = 'room' as RoomId
const inc = new Uint8Array(8)
const hashOf = (text: string): RecordHash => toHex(sha256(Buffer.from(text))) as RecordHash

type Times = readonly (readonly [ms: number, count: number])[]

/** A store of logs with these times, which tells how much it was asked for at once. */
const storeOf = (logs: readonly Times[]) => {
  const steps = logs.map((times, log) =>
    times.map(
      ([ms, count], seq): Step => ({ arrival: log * 1_000_000 + seq, seq, ms, count, hash: hashOf(`${log}/${seq}`) }),
    ),
  )
  let most = 0
  return {
    all: steps.flat(),
    most: () => most,
    store: {
      steps: (log: { readonly device: string }, after: number, upTo: number, limit: number): Step[] => {
        most = Math.max(most, limit)
        return (steps[Number(log.device)] ?? []).slice(after + 1, upTo + 1).slice(0, limit)
      },
    },
  }
}
const turns = createTurns()
const merge = async (logs: readonly Times[], after: (log: number) => number = () => -1) => {
  const { store, all, most } = storeOf(logs)
  const missing = logs.map((times, log) => ({
    device: String(log),
    inc,
    after: after(log),
    upTo: times.length - 1,
    fork: null,
  }))
  const arrivals: number[] = []
  for await (const arrival of mergedInTime(store, room, missing, () => turns('test'))) arrivals.push(arrival)
  const byArrival = new Map(all.map((step) => [step.arrival, step]))
  return { merged: arrivals.flatMap((arrival) => byArrival.get(arrival) ?? []), all, most: most() }
}
const inTime = (a: Step, b: Step): number => a.ms - b.ms || a.count - b.count || (a.hash < b.hash ? -1 : 1)

describe('records of several logs', () => {
  // Few different times, so that many are equal.
  const time = fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 2 }))
  const honest = fc.array(
    fc.array(time, { maxLength: 200 }).map((times) => times.toSorted(([a, x], [b, y]) => a - b || x - y)),
    { maxLength: 40 },
  )
  const any = fc.array(fc.array(time, { maxLength: 30 }), { maxLength: 20 })

  test('come in the order of milliseconds, count and hash, where each log is in that order', async () => {
    await fc.assert(
      fc.asyncProperty(honest, async (logs) => {
        const sorted = logs.map((times) => times.filter((one, at) => at === 0 || String(one) !== String(times[at - 1])))
        const { merged, all } = await merge(sorted)
        expect(merged).toEqual(all.toSorted(inTime))
      }),
    )
  })

  test('come whole, and each log in the order of its numbers, whatever times their authors claim', async () => {
    await fc.assert(
      fc.asyncProperty(any, fc.nat({ max: 10 }), async (logs, from) => {
        const { merged, all } = await merge(logs, () => from - 1)
        expect(merged.map(({ arrival }) => arrival).toSorted((a, b) => a - b)).toEqual(
          all.filter(({ seq }) => seq >= from).map(({ arrival }) => arrival),
        )
        for (const [, ofLog] of Map.groupBy(merged, ({ arrival }) => Math.floor(arrival / 1_000_000))) {
          expect(ofLog.map(({ seq }) => seq)).toEqual(ofLog.map((_, at) => from + at))
        }
      }),
    )
  })

  test('are read a few at a time: thousands of logs have no more in memory than three', async () => {
    const logs = Array.from(
      { length: 3_000 },
      (_, log): Times => [
        [log, 0],
        [log + 3_000, 0],
        [log + 6_000, 0],
      ],
    )
    const { merged, most } = await merge(logs)
    expect(merged).toHaveLength(9_000)
    expect(most * logs.length).toBeLessThanOrEqual(MERGE_PREFETCH_RECORDS)
    expect((await merge([[[1, 0]]])).most).toBeLessThanOrEqual(100)
  })
})

describe('turns', () => {
  test('go round the clients, whoever has asked more often', async () => {
    const order: string[] = []
    const ask = (client: string, name: string) => turns(client).then(() => order.push(name))
    await Promise.all([
      ...['m1', 'm2', 'm3', 'm4'].map((name) => ask('mallory', name)),
      ask('bob', 'b1'),
      ask('carol', 'c1'),
      ask('bob', 'b2'),
    ])
    expect(order).toEqual(['m1', 'b1', 'c1', 'm2', 'b2', 'm3', 'm4'])
  })

  test('are one to each turn of the event loop', async () => {
    let loop = 0
    const count = (): void => {
      loop++
      ticking = setImmediate(count)
    }
    let ticking = setImmediate(count)
    const granted: number[] = []
    const work = async (): Promise<void> => {
      for (let slice = 0; slice < 5; slice++) {
        await turns('one')
        granted.push(loop)
      }
    }
    await Promise.all([work(), work(), work()])
    clearImmediate(ticking)
    expect(granted).toHaveLength(15)
    expect(new Set(granted).size).toBe(15)
  })
})
