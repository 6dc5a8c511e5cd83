import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toString as toText } from 'uint8arrays/to-string'
import { z } from 'zod'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { openSealed, sealTo } from '../../shared/certificate/oaep.ts'
import { fromPem, toPem } from '../../shared/certificate/pem.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { openPrivateKey, sealPrivateKey } from '../../shared/certificate/sealed-key.ts'
import { fault, isRefusal } from '../../shared/errors.ts'
import { publishFolder, replaceFile } from '../../shared/folder.ts'
import { type PeerId, sha256, type UserName } from '../../shared/ids.ts'
import { isNetworkName } from '../../shared/invite.ts'
import { ADDRESS_MAX_CHARACTERS, ADDRESSES_MAX, STORE_KEY_BYTES } from '../../shared/limits.ts'
import { parsePeerId } from '../../shared/network/peer-id.ts'
import type { Random } from '../../shared/random.ts'
import { userNameOf } from '../../shared/user-name.ts'

/** What a home says of itself without a passphrase. */
export type Profile = {
  readonly networkName: string
  readonly user: UserName
  readonly caPeerId: PeerId
  /** Multiaddrs of the CA as the invite named them, without its PeerId. */
  readonly caAddresses: readonly string[]
  /** SHA-256 of the root's SubjectPublicKeyInfo, 32 bytes: it never changes. */
  readonly pin: Uint8Array
}

/** A device's identity, opened. */
export type Keystore = {
  readonly profile: Profile
  readonly key: KeyObject
  /** The device's certificate and the root, DER; neither is checked against the clock here. */
  readonly certificate: Uint8Array
  readonly root: Uint8Array
  /** 32 random bytes that seal the local store. */
  readonly storeKey: Uint8Array
}

export type NewIdentity = Omit<Keystore, 'storeKey'>

/**
 * Writes the identity of a device that has just enrolled, in one rename: a join that is killed leaves nothing behind that
 * a second one stumbles over.
 * @throws LanyardError `already-enrolled`
 */
export const createKeystore = async (
  home: string,
  identity: NewIdentity,
  { passphrase, random }: { readonly passphrase: string; readonly random: Random },
): Promise<Keystore> => {
  const { key, certificate, root, profile } = identity
  // Sealed to the device key rather than under the passphrase: one passphrase, stretched once, opens everything.
  const storeKey = random.bytes(STORE_KEY_BYTES)
  const published = await publishFolder(home, FOLDER, {
    [FILES.key]: await sealPrivateKey(key, passphrase, random),
    [FILES.certificate]: toPem('CERTIFICATE', certificate),
    [FILES.root]: toPem('CERTIFICATE', root),
    [FILES.profile]: writeProfile(profile),
    [FILES.storeKey]: sealTo(createPublicKey(key), storeKey, STORE_KEY_LABEL),
  })
  if (!published) throw fault('already-enrolled', home)
  return { ...identity, storeKey }
}

/** Puts a renewed certificate in the place of the present one: a crash leaves the one or the other. */
export const replaceCertificate = (home: string, certificate: Uint8Array): Promise<void> =>
  replaceFile(join(home, FOLDER, FILES.certificate), toPem('CERTIFICATE', certificate))

/**
 * About 0.2 s, off the event loop.
 * @param meanwhile called when another thread stretches the passphrase: time for work that the key is not needed for
 * @throws LanyardError `no-profile`, `passphrase-wrong`, `profile-damaged`
 */
export const openKeystore = async (
  home: string,
  passphrase: string,
  meanwhile: () => void = () => undefined,
): Promise<Keystore> => {
  const profile = await readProfile(home)
  const root = await readPem(home, FILES.root)
  const certificate = await readPem(home, FILES.certificate)
  if (!equal(sha256(spkiIn(root, FILES.root)), profile.pin)) throw damaged(FILES.root)
  const opening = openPrivateKey((await read(home, FILES.key)).toString('utf8'), passphrase)
  meanwhile()
  const key = await opening
  if (!equal(spkiOf(key), spkiIn(certificate, FILES.certificate))) throw damaged(FILES.certificate)
  const storeKey = openSealed(key, await read(home, FILES.storeKey), STORE_KEY_LABEL)
  if (storeKey?.byteLength !== STORE_KEY_BYTES) throw damaged(FILES.storeKey)
  return { profile, key, certificate, root, storeKey }
}

/** @throws LanyardError `no-profile` when nobody has joined with this home yet, or `profile-damaged` */
export const readProfile = async (home: string): Promise<Profile> => {
  const text = (await read(home, FILES.profile)).toString('utf8')
  const parsed = profileShape.safeParse(parseJson(text))
  if (!parsed.success) throw damaged(FILES.profile)
  const user = userNameOf(parsed.data.user)
  const caPeerId = parsePeerId(parsed.data.caPeerId)
  const pin = new Uint8Array(Buffer.from(parsed.data.pin, 'base64url'))
  if (isRefusal(user) || caPeerId === null || pin.byteLength !== 32) throw damaged(FILES.profile)
  const { networkName, caAddresses } = parsed.data
  return { networkName, user, caPeerId, caAddresses, pin }
}

const FOLDER = 'identity'
const FILES = {
  key: 'identity.pem',
  certificate: 'certificate.pem',
  root: 'root.pem',
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

const damaged = (file: string, cause?: unknown) => fault('profile-damaged', file, cause)

const read = async (home: string, file: string): Promise<Buffer> => {
  try {
    return await readFile(join(home, FOLDER, file))
  } catch (cause) {
    const missing = file === FILES.profile && cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw missing ? fault('no-profile', home, cause) : damaged(file, cause)
  }
}

const readPem = async (home: string, file: string): Promise<Uint8Array> => {
  const der = fromPem('CERTIFICATE', (await read(home, file)).toString('utf8'))
  if (der === null) throw damaged(file)
  return der
}

const spkiIn = (der: Uint8Array, file: string): Uint8Array => {
  const certificate = readCertificate(der)
  if (isRefusal(certificate)) throw damaged(file)
  return certificate.spki
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
