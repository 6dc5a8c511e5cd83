import { fault } from '../../shared/errors.ts'
import { passphraseOf } from '../commands/command.ts'
import { startPeer } from '../home.ts'
import { readProfile } from '../identity/keystore.ts'
import { growHeapFreely } from '../memory.ts'
import type { Peer } from '../peer.ts'
import type { Options } from './program-options.ts'

/** Starts the device of the home, runs `work`, and stops it in good order, at a signal too. */
export const withPeer = async (options: Options, work: (peer: Peer) => Promise<void>): Promise<void> => {
  await readProfile(options.home) // whoever has not joined is told so before a passphrase is asked for
  const passphrase = await passphraseOf(options, 'open')
  growHeapFreely()
  const bytesPerSecond = options.limit === undefined ? undefined : limitOf(options.limit)
  await using peer = await startPeer(options.home, passphrase, { ...options, bytesPerSecond })
  for (const address of options.peer ?? []) {
    const device = /\/p2p\/([^/]+)$/.exec(address)?.[1]
    if (device === undefined) throw fault('address-malformed', `${address}: it does not end in /p2p/<PeerId>`)
    peer.meet(device as Peer['self']['peerId'], [address])
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void peer.stop().finally(() => process.exit(signal === 'SIGINT' ? 130 : 0)))
  }
  await work(peer)
}

/** Bytes a second. */
const limitOf = (given: string): number => {
  const number = Number(given)
  if (!Number.isFinite(number) || number < 1) throw fault('input-invalid', `--limit ${given}: KB a second`)
  return number * 1e3
}
