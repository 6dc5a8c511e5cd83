import { createHash, randomBytes } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { expect, test } from 'vitest'
import { isRefusal } from '../../shared/errors.ts'
import { FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { createNode } from '../../shared/network/node.ts'
import { newKey } from '../support/certificates.ts'

const ECHO = '/test/echo/1'
const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('our Noise and libp2p’s own read each other, byte for byte, in small packets and large ones', async () => {
  const stock = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
  })
  const ours = await createNode({ key: newKey(), listen: [] })
  try {
    await stock.handle(ECHO, async (stream) => {
      const frames = openFrames(stream, LIMITS)
      for (;;) {
        const frame = await frames.receive()
        if (isRefusal(frame)) return
        await frames.send(frame)
      }
    })
    const connection = await ours.dial(stock.getMultiaddrs().map(String))
    const frames = openFrames(await ours.open(connection, ECHO), LIMITS)
    // Around the size from which on a packet takes our way, and around Noise's largest packet.
    for (const size of [1, 200, 1_183, 1_184, 1_200, 5_000, 65_502, 65_503, 65_519, 65_536, 1_048_576, 4_000_000]) {
      const bytes = new Uint8Array(randomBytes(size))
      await frames.send(bytes)
      const back = await frames.receive()
      expect(isRefusal(back) ? back : sha256(back)).toEqual(sha256(bytes))
    }
  } finally {
    await ours.stop()
    await stock.stop()
  }
})
