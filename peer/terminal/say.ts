import { z } from 'zod'
import { fault } from '../../shared/errors.ts'
import { KIB, MESSAGE_TEXT_MAX_BYTES, SAID_AT_ONCE_MAX } from '../../shared/limits.ts'
import { getMessage, say } from '../api/operations/messages.ts'
import { answer, GENERAL, type Order, roomOf, until } from './once.ts'
import { partsOf } from './paste.ts'
import type { Helper } from './with-peer.ts'

export const storedJson = z.object({
  event: z.literal('stored'),
  id: z.string(),
  room: z.string(),
  devices: z.number().describe('how many other devices hold it by now'),
})

/** What is to be said, and where. */
export type Speech = { readonly to: string; readonly texts: readonly string[] }

type Given = {
  readonly words: readonly string[]
  readonly to: string | undefined
  readonly code: boolean
  readonly input: NodeJS.ReadStream
}

/**
 * The words of the command line, or what comes on standard input when there are none. The first word is the place when it
 * looks like one and `--to` does not say it.
 * @throws LanyardError `input-missing`, `message-too-long`
 */
export const speechOf = async ({ words, to, code, input }: Given): Promise<Speech> => {
  const [first = '', ...rest] = words
  const isPlace = to === undefined && /^[#@]\S+$/.test(first) && (rest.length > 0 || input.isTTY !== true)
  const spoken = (isPlace ? rest : words).join(' ')
  const text = spoken === '' ? await piped(input) : spoken
  const texts = partsOf(text, { code, maxBytes: MESSAGE_TEXT_MAX_BYTES })
  if (texts.length === 0) throw fault('input-missing', 'what to say')
  if (texts.length > SAID_AT_ONCE_MAX) {
    throw fault(
      'message-too-long',
      `${texts.length} messages of ${MESSAGE_TEXT_MAX_BYTES / KIB} KiB: send it as a file`,
    )
  }
  return { to: to ?? (isPlace ? first : GENERAL), texts }
}

/** Says it; answers once somebody holds it, or the wait is over. It is stored in either case. */
export const sayOnce = async (helper: Helper, { to, texts }: Speech, order: Order): Promise<void> => {
  const { client } = helper
  const { id: room, place } = await roomOf(helper, to, order.waitMs)
  const ids: string[] = []
  for (const text of texts) ids.push((await client.call(say, { room, text })).id)
  const devicesOf = async (id: string): Promise<number> =>
    (await client.call(getMessage, { id })).message.state?.devices ?? 0
  const last = ids.at(-1) ?? ''
  await until(client, order.waitMs, async () => (await devicesOf(last)) > 0)
  for (const id of ids) {
    const devices = await devicesOf(id)
    answer(order, storedJson, { event: 'stored', id, room: place, devices }, wordsOf(devices, helper))
  }
}

const wordsOf = (devices: number, { settled }: Helper): string => {
  if (devices > 0) return `stored, at ${devices} other ${devices === 1 ? 'device' : 'devices'}`
  return settled
    ? 'stored; nobody is here to receive it yet'
    : 'stored; nobody was here to receive it: it goes out the next time that this device runs'
}

const piped = async (input: NodeJS.ReadStream): Promise<string> => {
  if (input.isTTY === true) throw fault('input-missing', 'what to say')
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of input) {
    text += decoder.decode(bytes as Uint8Array, { stream: true })
    if (text.length > SAID_AT_ONCE_MAX * MESSAGE_TEXT_MAX_BYTES) {
      throw fault('message-too-long', 'send what is so long as a file')
    }
  }
  return text + decoder.decode()
}
