import { temporaryFolder } from '../support/enrolment.ts'
import { type Bench, median, metric, percentile } from './figures.ts'
import { type BareChild, type PeerChild, startBare, startPeers } from './pairs.ts'

const TEXT_BYTES = 200
const WARM_UP = 200 // messages: V8 has compiled the path, the sender key is made
const ROUNDS = 5
const PER_ROUND = 100
const STREAM_COUNT = 5_000
const STREAM_WINDOW = 256 // texts that a sender has not yet stored: what a bot or a paste would do

/**
 * A text from `say()` in one process to the event in the other, one at a time and as a stream, beside the echo of as many
 * bytes by libp2p alone. Ours is one way, stored, signed, sealed, verified and stored again; the echo goes there and back.
 */
export const messages: Bench = async (say) => {
  const folder = await temporaryFolder()
  try {
    await using bare = await startBare()
    await using peers = await startPeers(folder.path)
    await echo(bare.dialer, WARM_UP)
    await sayOneByOne(peers, WARM_UP)
    await stream(peers, 1_000)
    const echoes: number[] = []
    const ours: number[] = []
    const rates: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      echoes.push(...(await echo(bare.dialer, PER_ROUND)))
      ours.push(...(await sayOneByOne(peers, PER_ROUND)))
      rates.push(await stream(peers, STREAM_COUNT))
      say(`round ${round} of ${ROUNDS}: p50 ${median(ours).toFixed(2)} ms, ${Math.round(rates.at(-1) ?? 0)} messages/s`)
    }
    return {
      messageP50Ms: metric(median(ours), 'ms', median(echoes)),
      messageP99Ms: metric(percentile(ours, 0.99), 'ms', percentile(echoes, 0.99)),
      echoP50Ms: metric(median(echoes), 'ms'),
      echoP99Ms: metric(percentile(echoes, 0.99), 'ms'),
      messagesPerSecond: metric(median(rates), '1/s'),
    }
  } finally {
    await folder.remove()
  }
}

type Peers = { readonly alice: PeerChild; readonly bob: PeerChild }

const echo = async (dialer: BareChild, count: number): Promise<readonly number[]> => {
  dialer.tell({ do: 'echo', count, bytes: TEXT_BYTES })
  return (await dialer.next('echoed')).tookMs
}

const sayOneByOne = async ({ alice, bob }: Peers, count: number): Promise<number[]> => {
  const took: number[] = []
  for (let at = 0; at < count; at++) {
    alice.tell({ do: 'say', text: 'x'.repeat(TEXT_BYTES) })
    const [said, heard] = await Promise.all([alice.next('said'), bob.next('heard')])
    took.push(heard.at - said.at)
  }
  return took
}

/** Messages a second, from the first `say()` until the last event at the other side. */
const stream = async ({ alice, bob }: Peers, count: number): Promise<number> => {
  bob.tell({ do: 'expect', count })
  alice.tell({ do: 'stream', count, bytes: TEXT_BYTES, window: STREAM_WINDOW })
  const [said, heard] = await Promise.all([alice.next('said'), bob.next('heard-all')])
  return (count / (heard.at - said.at)) * 1_000
}
