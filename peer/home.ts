import { homedir } from 'node:os'
import { join } from 'node:path'
import { openLineage } from '../shared/certificate/lineage.ts'
import { spkiOf } from '../shared/certificate/rsa-key.ts'
import { type TrustAnchor, type VerifiedDevice, verifyDevice } from '../shared/certificate/verify.ts'
import { type Clock, systemClock } from '../shared/clock.ts'
import { isRefusal, LanyardError, orThrow } from '../shared/errors.ts'
import type { UserName } from '../shared/ids.ts'
import { DEVICE_KEY_MIN_BITS, FILE_AUTO_ACCEPT_BYTES } from '../shared/limits.ts'
import { systemRandom } from '../shared/random.ts'
import { userNameOf } from '../shared/user-name.ts'
import type { FileOptions } from './files/files.ts'
import { contactOf } from './identity/ca-line.ts'
import type { Keystore } from './identity/identity-files.ts'
import { keepRenewed, openKeystore, replaceCertificate, replaceSuccessions } from './identity/keystore.ts'
import { isAsked } from './identity/successor.ts'
import type { Peer } from './peer.ts'
import { changeSettings, listenAddresses, readSettings, rememberPort, type Settings } from './settings.ts'
import { databasePath } from './store/database.ts'

/** Where a profile lives when nothing else is said. */
export const DEFAULT_HOME = process.env.LANYARD_HOME ?? join(homedir(), '.lanyard', 'peer')

export type StartOptions = {
  /** Multiaddrs to listen on; without any, every interface, at the port of the last time. */
  readonly listen?: readonly string[] | undefined
  /** The download folder; `downloads` in the home unless given. */
  readonly downloads?: string | undefined
  /** Of files, in each direction; as the home has it unless given. */
  readonly bytesPerSecond?: number | undefined
  readonly mdns: boolean
  /** Whether to refuse new sessions while the revocation list is stale; as the home has it unless given. */
  readonly strict?: boolean | undefined
  /** The machine's own unless given. */
  readonly clock?: Clock
}

/** The peer with libp2p: 700 files, which are read while the passphrase is stretched. */
const loadPeer = () => import('./peer.ts')

/** An opened profile: the keystore, with its certificate checked against its root and the clock. */
type Opened = { readonly keystore: Keystore; readonly anchor: TrustAnchor; readonly self: VerifiedDevice }

/**
 * Opens the profile, ends a change of key that was cut off, and renews the certificate if that has expired and the CA can be
 * reached.
 * @throws LanyardError `no-profile`, `passphrase-wrong`, `profile-damaged`, `certificate-expired`, `rekey-cut-off`, …
 */
const openProfile = async (home: string, passphrase: string, clock: Clock): Promise<Opened> => {
  const keystore = await openWhole(home, passphrase, clock)
  const now = clock.now()
  const anchor = orThrow(openLineage({ first: keystore.root, successions: keystore.successions }, now))
  const remoteSpki = spkiOf(keystore.key)
  const self = verifyDevice(keystore.certificate, { anchor, now, remoteSpki })
  if (!isRefusal(self)) return { keystore, anchor, self }
  if (self.code !== 'certificate-expired' && self.code !== 'root-ended') throw new LanyardError(self)
  // A laptop that slept over the end of its certificate, or of its root: its key alone still renews, if the CA is there.
  const { renewFromHome } = await import('./identity/renew.ts')
  const renewed = await renewFromHome(keystore, clock)
  if (isRefusal(renewed)) throw new LanyardError(renewed.code === 'password-needed' ? renewed : self)
  await keepRenewed(home, renewed)
  const checks = { anchor: renewed.anchor, now: clock.now(), remoteSpki }
  return { keystore: { ...keystore, ...renewed }, ...checks, self: orThrow(verifyDevice(renewed.certificate, checks)) }
}

/** The one identity that counts, also after a crash in a change of keys. */
const openWhole = async (home: string, passphrase: string, clock: Clock): Promise<Keystore> => {
  const keystore = await openKeystore(home, passphrase, () => void loadPeer().catch(() => undefined))
  if (!(await isAsked(home))) return keystore
  const { resumeRekey } = await import('./identity/rekey.ts')
  const by = { kind: 'old-key' } as const
  const rest = { by, keyBits: DEVICE_KEY_MIN_BITS, listen: [], clock, random: systemRandom }
  await resumeRekey({ home, keystore, passphrase, ...rest })
  return await openKeystore(home, passphrase)
}

/** Where files go when nothing is said. */
export const downloadsOf = (home: string, { folder }: Settings): string => folder ?? join(home, 'downloads')

const fileOptionsOf = (home: string, settings: Settings, bytesPerSecond: number | undefined): FileOptions => {
  const { acceptMb, acceptFrom, quotaMb, limitKb } = settings
  return {
    accept: {
      maxBytes: acceptMb === undefined ? FILE_AUTO_ACCEPT_BYTES : acceptMb * 1e6,
      from: acceptFrom === undefined ? 'everybody' : acceptFrom.flatMap((name) => userNameOrNone(name)),
    },
    bytesPerSecond: bytesPerSecond ?? (limitKb === undefined ? undefined : limitKb * 1e3),
    quotaBytes: quotaMb === undefined ? undefined : quotaMb * 1e6,
    onFolder: async (folder) => void (await changeSettings(home, { folder })),
  }
}

const userNameOrNone = (name: string): readonly UserName[] => {
  const user = userNameOf(name)
  return isRefusal(user) ? [] : [user]
}

/** Starts the device of a home. @throws LanyardError as `openProfile`, and `profile-in-use`, `address-in-use`, … */
export const startPeer = async (home: string, passphrase: string, options: StartOptions): Promise<Peer> => {
  const { clock = systemClock } = options
  const { keystore, anchor, self } = await openProfile(home, passphrase, clock)
  const { createPeer } = await loadPeer()
  const settings = await readSettings(home)
  const strict = options.strict ?? settings.strict
  const start = (listen: readonly string[]): Promise<Peer> =>
    createPeer({
      key: keystore.key,
      anchor,
      self,
      storeKey: keystore.storeKey,
      databasePath: databasePath(home),
      downloads: options.downloads ?? downloadsOf(home, settings),
      files: fileOptionsOf(home, settings, options.bytesPerSecond),
      listen,
      mdns: options.mdns && settings.mdns !== false,
      strict,
      ca: {
        contact: contactOf(keystore),
        store: (certificate) => replaceCertificate(home, certificate),
      },
      roots: {
        successions: keystore.successions,
        store: (successions) => replaceSuccessions(home, successions),
      },
      clock,
      random: systemRandom,
    })
  if (options.listen !== undefined) return await start(options.listen)
  const peer = await start(await listenAddresses(home))
  await rememberPort(home, peer.addresses())
  return peer
}
