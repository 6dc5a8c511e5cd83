import { PassThrough } from 'node:stream'
import { expect, vi } from 'vitest'
import { localClient } from '../../peer/api/client.ts'
import { chat } from '../../peer/terminal/chat.ts'
import type { Resident } from './world.ts'

/** Somebody at a terminal: what is typed, and what stands on the screen since it was looked at last. */
export const sitDown = ({ peer }: Pick<Resident, 'peer'>) => {
  const input = new PassThrough()
  const output = new PassThrough()
  let screen = ''
  output.on('data', (bytes: Buffer) => {
    screen += bytes.toString()
  })
  const over = chat({ client: localClient(peer), json: false, input, output })
  return {
    type: (line: string) => void input.write(`${line}\n`),
    /** Waits until the screen shows this, and looks at what comes after it from then on. */
    sees: (text: string | RegExp) =>
      vi.waitFor(
        () => {
          const at = typeof text === 'string' ? screen.indexOf(text) : screen.search(text)
          expect(at >= 0, `${text} is not on the screen:\n${screen}`).toBe(true)
          screen = screen.slice(at)
        },
        { timeout: 20_000, interval: 20 },
      ),
    screen: () => screen,
    leave: async () => {
      input.write('/quit\n')
      await over
    },
  }
}
