import { isRefusal } from '../shared/errors.ts'
import { ABOUT_MAX_BYTES, REPLY_TIMEOUT_MS } from '../shared/limits.ts'
import { openChannel } from '../shared/network/channel.ts'
import type { Stream } from '../shared/network/node.ts'
import { aboutCodec } from '../shared/wire/about.ts'

/** Tells whoever asks what the network is called. */
export const serveAbout =
  (name: string) =>
  async (stream: Stream): Promise<void> => {
    const words = { incoming: aboutCodec, outgoing: aboutCodec }
    const channel = openChannel(stream, words, { maxFrameBytes: ABOUT_MAX_BYTES, timeoutMs: REPLY_TIMEOUT_MS })
    const asked = await channel.receive()
    if (!isRefusal(asked) && asked.kind === 'ask') await channel.send({ kind: 'about', name })
    await channel.close()
  }
