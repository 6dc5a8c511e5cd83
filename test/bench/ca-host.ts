import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PASSPHRASE } from '../support/enrolment.ts'
import { type Player, startPlayer } from '../support/player.ts'

/** A CA that serves, as a process of its own, on loopback. */
export type CaHost = AsyncDisposable & {
  /** Fresh invites, as text. */
  invites(count: number): Promise<readonly string[]>
  /** Runs `npm run ca -- …` beside it to its end, and gives its JSON. @throws when it fails */
  run(args: readonly string[]): Promise<Readonly<Record<string, unknown>>>
}

/** Makes a CA below `folder`, and serves it. */
export const startCaHost = async (folder: string): Promise<CaHost> => {
  const file = fileURLToPath(new URL('../../ca-node/main.ts', import.meta.url))
  const env = { LANYARD_CA_PASSPHRASE: PASSPHRASE }
  const launch = (...args: readonly string[]): Player =>
    startPlayer('ca', { file: process.execPath, args: [file, '--home', join(folder, 'ca'), '--json', ...args], env })
  const serving = launch('--listen', '/ip4/127.0.0.1/tcp/0')
  await serving.until((line) => 'invite' in line)
  const run: CaHost['run'] = async (args) => {
    const command = launch(...args)
    const facts = await command.until(() => true)
    const code = await command.over
    if (code !== 0) throw new Error(`ca ${args[0]} ended with ${code}`)
    return facts
  }
  return {
    run,
    invites: async (count) => {
      const { invites } = await run(['invite', '--count', String(count)])
      return (invites as readonly { readonly invite: string }[]).map(({ invite }) => invite)
    },
    [Symbol.asyncDispose]: async () => void (await serving.end()),
  }
}
