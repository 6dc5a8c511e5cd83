import { homedir } from 'node:os'
import { join } from 'node:path'
import { spkiOf } from '../shared/certificate/rsa-key.ts'
import { type TrustAnchor, trustAnchor, type VerifiedDevice, verifyDevice } from '../shared/certificate/verify.ts'
import { systemClock } from '../shared/clock.ts'
import { isRefusal, LanyardError, orThrow, type Refusal } from '../shared/errors.ts'
import { systemRandom } from '../shared/random.ts'
import type { CaContact } from './identity/ca-line.ts'
import { type Keystore, openKeystore, type Profile, replaceCertificate } from './identity/keystore.ts'
import type { Peer } from './peer.ts'
import { listenAddresses, rememberPort } from './settings.ts'

/** Where a profile lives when nothing else is said. */
export const DEFAULT_HOME = process.env.LANYARD_HOME ?? join(homedir(), '.lanyard', 'peer')

export const databasePath = (home: string): string => join(home, 'lanyard.db')

export type StartOptions = {
  /** Multiaddrs to listen on; without any, every interface, at the port of the last time. */
  readonly listen?: readonly string[] | undefined
  /** The download folder; `downloads` in the home unless given. */
  readonly downloads?: string | undefined
  readonly mdns: boolean
}

/** The peer with libp2p: 700 files, which are read while the passphrase is stretched. */
const loadPeer = () => import('./peer.ts')

/** An opened profile: the keystore, with its certificate checked against its root and the clock. */
type Opened = { readonly keystore: Keystore; readonly anchor: TrustAnchor; readonly self: VerifiedDevice }

/**
 * Opens the profile, and renews its certificate if that has expired and the CA can be reached.
 * @throws LanyardError `no-profile`, `passphrase-wrong`, `profile-damaged`, `certificate-expired`, …
 */
const openProfile = async (home: string, passphrase: string): Promise<Opened> => {
  const keystore = await openKeystore(home, passphrase, () => void loadPeer().catch(() => undefined))
  const now = systemClock.now()
  const anchor = orThrow(trustAnchor(keystore.root, now))
  const remoteSpki = spkiOf(keystore.key)
  const self = verifyDevice(keystore.certificate, { anchor, now, remoteSpki })
  if (!isRefusal(self)) return { keystore, anchor, self }
  if (self.code !== 'certificate-expired') throw new LanyardError(self)
  // A laptop that slept over the end of its certificate: its key alone still renews, if the CA is there.
  const renewed = await renewExpired(keystore)
  if (isRefusal(renewed)) throw new LanyardError(self)
  await replaceCertificate(home, renewed)
  return { keystore, anchor, self: orThrow(verifyDevice(renewed, { anchor, now: systemClock.now(), remoteSpki })) }
}

const renewExpired = async ({ key, certificate, profile }: Keystore): Promise<Uint8Array | Refusal> => {
  const [{ createNode }, { renewOnce }] = await Promise.all([
    import('../shared/network/node.ts'),
    import('./identity/renew.ts'),
  ])
  const node = await createNode({ key, listen: [] })
  try {
    const parts = { node, ca: contactOf(profile), key, self: () => ({ user: profile.user }), clock: systemClock }
    return await renewOnce(parts, certificate)
  } finally {
    await node.stop()
  }
}

const contactOf = ({ pin, caPeerId, caAddresses }: Profile): CaContact => ({ pin, caPeerId, addresses: caAddresses })

/** Starts the device of a home. @throws LanyardError as `openProfile`, and `profile-in-use`, `address-in-use`, … */
export const startPeer = async (home: string, passphrase: string, options: StartOptions): Promise<Peer> => {
  const { keystore, anchor, self } = await openProfile(home, passphrase)
  const { createPeer } = await loadPeer()
  const start = (listen: readonly string[]): Promise<Peer> =>
    createPeer({
      key: keystore.key,
      anchor,
      self,
      storeKey: keystore.storeKey,
      databasePath: databasePath(home),
      downloads: options.downloads ?? join(home, 'downloads'),
      listen,
      mdns: options.mdns,
      ca: {
        contact: contactOf(keystore.profile),
        store: (certificate) => replaceCertificate(home, certificate),
      },
      clock: systemClock,
      random: systemRandom,
    })
  if (options.listen !== undefined) return await start(options.listen)
  const peer = await start(await listenAddresses(home))
  await rememberPort(home, peer.addresses())
  return peer
}
