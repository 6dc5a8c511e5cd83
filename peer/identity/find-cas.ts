import { newRsaKey } from '../../shared/certificate/new-key.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { ABOUT_MAX_BYTES, ADDRESSES_MAX, DEVICE_KEY_MIN_BITS, HELLO_TIMEOUT_MS } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import { createNode, type Node } from '../../shared/network/node.ts'
import { ABOUT_PROTOCOL, aboutCodec, CA_SERVICE_TAG } from '../../shared/wire/about.ts'
import { type CaContact, callCa } from './ca-line.ts'

/** A CA that answered by multicast. Anybody may answer, and call a network what they like: the network code tells. */
export type FoundCa = Omit<CaContact, 'pin'> & {
  /** What it says that its network is called. */
  readonly name: string
}

export type CaSearch = AsyncDisposable & {
  /** Those that have answered so far. */
  found(): readonly FoundCa[]
  /** The network's name when this is the CA of that root, which it has then proven; or why it is not. */
  prove(ca: Omit<CaContact, 'pin'>, pin: Uint8Array): Promise<string | Refusal>
}

/** Looks for CAs by multicast, from a device that is nobody yet; it announces nothing. */
export const searchCas = async (clock: Clock): Promise<CaSearch> => {
  const node = await createNode({ key: await newRsaKey(DEVICE_KEY_MIN_BITS), listen: [], serviceTag: CA_SERVICE_TAG })
  const asked = new Set<PeerId>()
  const answered = new Map<PeerId, FoundCa>()
  const end = node.onDiscovered((caPeerId, all) => {
    if (asked.has(caPeerId)) return
    asked.add(caPeerId)
    void askName(node, all.slice(0, ADDRESSES_MAX))
      .then((name) => {
        const addresses = all.slice(0, ADDRESSES_MAX).map((address) => address.replace(/\/p2p\/.*$/, ''))
        if (name !== null) answered.set(caPeerId, { caPeerId, addresses, name })
      })
      .catch(() => asked.delete(caPeerId)) // it may answer the next time
  })
  return {
    found: () => [...answered.values()],
    prove: (ca, pin) => callCa({ node, ca: { ...ca, pin }, clock }, async ({ anchor }) => anchor.name),
    [Symbol.asyncDispose]: async () => {
      end()
      await node.stop()
    },
  }
}

const askName = async (node: Node, addresses: readonly string[]): Promise<string | null> => {
  const signal = AbortSignal.timeout(HELLO_TIMEOUT_MS)
  const connection = await node.dial(addresses, { signal })
  try {
    const stream = await node.open(connection, ABOUT_PROTOCOL, { signal })
    const words = { incoming: aboutCodec, outgoing: aboutCodec }
    const channel = openChannel(stream, words, { maxFrameBytes: ABOUT_MAX_BYTES, timeoutMs: HELLO_TIMEOUT_MS })
    await channel.send({ kind: 'ask' })
    const about = await channel.receive()
    await channel.close()
    return isRefusal(about) || about.kind !== 'about' ? null : about.name
  } finally {
    await connection.close().catch(() => undefined)
  }
}
