import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toString as toText } from 'uint8arrays/to-string'
import { z } from 'zod'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { readSuccessions, type Succession, writeSuccessions } from '../../shared/certificate/lineage.ts'
import { openSealed, sealTo } from '../../shared/certificate/oaep.ts'
import { fromPem, toPem } from '../../shared/certificate/pem.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { openPrivateKey, sealPrivateKey } from '../../shared/certificate/sealed-key.ts'
import { fault, isRefusal, type LanyardError } from '../../shared/errors.ts'
import { type PeerId, sha256, type UserName } from '../../shared/ids.ts'
import { isNetworkName } from '../../shared/invite.ts'
import { ADDRESS_MAX_CHARACTERS, ADDRESSES_MAX, STORE_KEY_BYTES } from '../../shared/limits.ts'
import { parsePeerId } from '../../shared/network/peer-id.ts'
import type { Random } from '../../shared/random.ts'
import { userNameOf } from '../../shared/user-name.ts'

// An identity on the disk is a folder of five files, and a sixth when the CA's root was rolled over; a key that waits for
// its certificate lacks one of them.

/** What a home says of itself without a passphrase. */
export type Profile = {
  readonly networkName: string
  readonly user: UserName
  readonly caPeerId: PeerId
  /** Multiaddrs of the CA as the invite named them, without its PeerId. */
  readonly caAddresses: readonly string[]
  /** SHA-256 of the SubjectPublicKeyInfo of the root that the invite named, 32 bytes: it never changes. */
  readonly pin: Uint8Array
}

/** A key with all that belongs to it but a certificate. */
export type Draft = {
  readonly profile: Profile
  readonly key: KeyObject
  /** The network's first root, DER, and how the later ones followed; not checked against the clock here. */
  readonly root: Uint8Array
  readonly successions: readonly Succession[]
  /** 32 random bytes that seal the local store. */
  readonly storeKey: Uint8Array
}

/** A device's identity, opened. */
export type Keystore = Draft & {
  /** DER; not checked against the clock here. */
  readonly certificate: Uint8Array
}

export type Sealing = { readonly passphrase: string; readonly random: Random }

/** The contents of a folder, by file name. */
export type Files = Readonly<Record<string, string | Uint8Array>>

/** All files of a draft. About 0.2 s, off the event loop. */
export const draftFiles = async (draft: Draft, sealing: Sealing): Promise<Files> => ({
  [FILES.key]: await sealPrivateKey(draft.key, sealing.passphrase, sealing.random),
  [FILES.root]: toPem('CERTIFICATE', draft.root),
  ...(draft.successions.length === 0 ? {} : Object.fromEntries([successionsFile(draft.successions)])),
  [FILES.profile]: writeProfile(draft.profile),
  // Sealed to the device key rather than under the passphrase: one passphrase, stretched once, opens everything.
  [FILES.storeKey]: sealTo(createPublicKey(draft.key), draft.storeKey, STORE_KEY_LABEL),
})

/** The file that makes an identity of a draft. */
export const certificateFile = (certificate: Uint8Array) =>
  [FILES.certificate, toPem('CERTIFICATE', certificate)] as const

/** The file that tells how the later roots followed: written before a certificate that one of them has issued. */
export const successionsFile = (successions: readonly Succession[]) =>
  [FILES.successions, writeSuccessions(successions)] as const

/** The file that holds the sealed key. */
export const keyFile = async (key: KeyObject, { passphrase, random }: Sealing) =>
  [FILES.key, await sealPrivateKey(key, passphrase, random)] as const

/**
 * About 0.2 s, off the event loop.
 * @param meanwhile called when another thread stretches the passphrase: time for work that the key is not needed for
 * @throws LanyardError `no-profile`, `passphrase-wrong`, `profile-damaged`
 */
export const readIdentity = async (folder: string, passphrase: string, meanwhile: () => void): Promise<Keystore> => {
  const profile = await readProfileIn(folder)
  const certificate = await readPem(folder, FILES.certificate)
  const draft = await readDraft(folder, passphrase, meanwhile)
  if (!equal(spkiOf(draft.key), spkiIn(certificate, FILES.certificate))) throw damaged(FILES.certificate)
  return { ...draft, profile, certificate }
}

/** As `readIdentity`, of a key that has no certificate yet. */
export const readDraft = async (folder: string, passphrase: string, meanwhile = () => {}): Promise<Draft> => {
  const profile = await readProfileIn(folder)
  const root = await readPem(folder, FILES.root)
  const successions = await readSuccessionsIn(folder)
  const pins = [root, ...successions.map((succession) => succession.root)].map((der) => sha256(spkiIn(der, FILES.root)))
  if (!pins.some((pin) => equal(pin, profile.pin))) throw damaged(FILES.root)
  const opening = openPrivateKey((await read(folder, FILES.key)).toString('utf8'), passphrase)
  meanwhile()
  const key = await opening
  const storeKey = openSealed(key, await read(folder, FILES.storeKey), STORE_KEY_LABEL)
  if (storeKey?.byteLength !== STORE_KEY_BYTES) throw damaged(FILES.storeKey)
  return { profile, key, root, successions, storeKey }
}

/** @throws LanyardError `no-profile` when there is none in this folder, or `profile-damaged` */
export const readProfileIn = async (folder: string): Promise<Profile> => {
  const text = (await read(folder, FILES.profile)).toString('utf8')
  const parsed = profileShape.safeParse(parseJson(text))
  if (!parsed.success) throw damaged(FILES.profile)
  const user = userNameOf(parsed.data.user)
  const caPeerId = parsePeerId(parsed.data.caPeerId)
  const pin = new Uint8Array(Buffer.from(parsed.data.pin, 'base64url'))
  if (isRefusal(user) || caPeerId === null || pin.byteLength !== 32) throw damaged(FILES.profile)
  const { networkName, caAddresses } = parsed.data
  return { networkName, user, caPeerId, caAddresses, pin }
}

const FILES = {
  key: 'identity.pem',
  certificate: 'certificate.pem',
  root: 'root.pem',
  successions: 'successions.pem',
  profile: 'profile.json',
  storeKey: 'store.key',
} as const
const STORE_KEY_LABEL = 'lanyard store key 1'

const profileShape = z.object({
  version: z.literal(1),
  networkName: z.string().refine(isNetworkName),
  user: z.string(),
  caPeerId: z.string(),
  caAddresses: z.array(z.string().max(ADDRESS_MAX_CHARACTERS)).max(ADDRESSES_MAX),
  pin: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
})

const writeProfile = ({ networkName, user, caPeerId, caAddresses, pin }: Profile): string => {
  const plain = { version: 1, networkName, user, caPeerId, caAddresses, pin: toText(pin, 'base64url') }
  return `${JSON.stringify(plain, null, 2)}\n`
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw damaged(FILES.profile, cause)
  }
}

const damaged = (file: string, cause?: unknown): LanyardError => fault('profile-damaged', file, cause)

const read = async (folder: string, file: string): Promise<Buffer> => {
  try {
    return await readFile(join(folder, file))
  } catch (cause) {
    const missing = file === FILES.profile && cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw missing ? fault('no-profile', folder, cause) : damaged(file, cause)
  }
}

const readPem = async (folder: string, file: string): Promise<Uint8Array> => {
  const der = fromPem('CERTIFICATE', (await read(folder, file)).toString('utf8'))
  if (der === null) throw damaged(file)
  return der
}

/** There is none before the first roll-over. */
const readSuccessionsIn = async (folder: string): Promise<readonly Succession[]> => {
  const text = await readFile(join(folder, FILES.successions), 'latin1').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return ''
    throw damaged(FILES.successions, cause)
  })
  const successions = readSuccessions(text)
  if (successions === null) throw damaged(FILES.successions)
  return successions
}

const spkiIn = (der: Uint8Array, file: string): Uint8Array => {
  const certificate = readCertificate(der)
  if (isRefusal(certificate)) throw damaged(file)
  return certificate.spki
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
