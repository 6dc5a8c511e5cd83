import { systemRandom } from '../../shared/random.ts'
import { type StartOptions, startPeer } from '../home.ts'
import { readProfile } from '../identity/keystore.ts'
import { type Api, startApi } from './api.ts'
import { type Client, localClient } from './client.ts'
import { connectIfRunning } from './remote-client.ts'

export type HomeOrder = Partial<StartOptions> & {
  readonly home: string
  /** Opens the key; needed when no device runs in the home yet. */
  readonly passphrase: string
}

/**
 * The device of a home for a program of yours: the one that runs there, else it is started, and serves others too, until the
 * client is disposed of.
 * @throws LanyardError `no-profile`, `passphrase-wrong`, `profile-in-use`, …
 */
export const openHome = async ({ home, passphrase, ...options }: HomeOrder): Promise<Client> => {
  await readProfile(home)
  const running = await connectIfRunning(home)
  if (running !== null) return running
  const peer = await startPeer(home, passphrase, { mdns: true, ...options })
  const api: Api = await startApi({ home, peer, command: 'a program', random: systemRandom }).catch(async (error) => {
    await peer.stop()
    throw error
  })
  const client = localClient(peer)
  return {
    ...client,
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await api.stop()
      await peer.stop()
    },
  }
}
