import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newRsaKey } from '../shared/certificate/new-key.ts'
import { openSealed, sealTo } from '../shared/certificate/oaep.ts'
import { fromPem, toPem } from '../shared/certificate/pem.ts'
import { createRoot, issueCa } from '../shared/certificate/profile.ts'
import { spkiOf } from '../shared/certificate/rsa-key.ts'
import { openPrivateKey, sealPrivateKey } from '../shared/certificate/sealed-key.ts'
import { type TrustAnchor, trustAnchor, type VerifiedCa, verifyCa } from '../shared/certificate/verify.ts'
import { fault, orThrow } from '../shared/errors.ts'
import { publishFolder } from '../shared/folder.ts'
import { networkIdOf } from '../shared/ids.ts'
import { CA_KEY_BITS, PEPPER_BYTES, ROOT_KEY_BITS } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'

/** The public half of a CA: what its certificates say. */
export type CaIdentity = { readonly anchor: TrustAnchor; readonly ca: VerifiedCa }

/** The CA with its keys opened. */
export type CaKeys = CaIdentity & {
  readonly rootKey: KeyObject
  /** The CA node's own key: its libp2p identity. */
  readonly caKey: KeyObject
  /** 32 random bytes that go into every password hash: the database alone is no use to a guesser. */
  readonly pepper: Uint8Array
}

/**
 * Makes the root, the CA's own key and certificate, and the pepper, all of them in one rename. Takes 1 to 4 s. When
 * another process was faster, what it made stands.
 * @param now milliseconds since the Unix epoch
 */
export const createCaKeys = async (
  home: string,
  parts: { networkName: string; passphrase: string; random: Random; now: number },
): Promise<void> => {
  const { networkName, passphrase, random, now } = parts
  const [rootKey, caKey] = await Promise.all([newRsaKey(ROOT_KEY_BITS), newRsaKey(CA_KEY_BITS)])
  const root = createRoot({ key: rootKey, networkName, now, random })
  const issuer = { certificate: root, key: rootKey }
  const ca = issueCa({ issuer, network: networkIdOf(spkiOf(rootKey)), spki: spkiOf(caKey), now, random })
  await publishFolder(home, FOLDER, {
    [FILES.rootKey]: await sealPrivateKey(rootKey, passphrase, random),
    [FILES.root]: toPem('CERTIFICATE', root),
    [FILES.caKey]: await sealPrivateKey(caKey, passphrase, random),
    [FILES.ca]: toPem('CERTIFICATE', ca),
    [FILES.pepper]: sealTo(createPublicKey(caKey), random.bytes(PEPPER_BYTES), PEPPER_LABEL),
  })
}

/**
 * @param now milliseconds since the Unix epoch
 * @throws LanyardError `no-ca`, `profile-damaged`, `certificate-expired`, …
 */
export const readCaIdentity = async (home: string, now: number): Promise<CaIdentity> => {
  const anchor = orThrow(trustAnchor(await readCertificateFile(home, FILES.root), now))
  return { anchor, ca: orThrow(verifyCa(await readCertificateFile(home, FILES.ca), { anchor, now })) }
}

/** @throws LanyardError `passphrase-wrong`, and all that `readCaIdentity` throws */
export const openCaKeys = async (home: string, passphrase: string, now: number): Promise<CaKeys> => {
  const identity = await readCaIdentity(home, now)
  const [rootKey, caKey] = await Promise.all(
    [FILES.rootKey, FILES.caKey].map(async (name) =>
      openPrivateKey((await readKeyFile(home, name)).toString('utf8'), passphrase),
    ),
  )
  if (rootKey === undefined || caKey === undefined) throw fault('profile-damaged')
  const matching = equal(spkiOf(rootKey), identity.anchor.spki) && equal(spkiOf(caKey), identity.ca.spki)
  if (!matching) throw fault('profile-damaged', 'a key and its certificate do not belong together')
  const pepper = openSealed(caKey, await readKeyFile(home, FILES.pepper), PEPPER_LABEL)
  if (pepper === null) throw fault('profile-damaged', FILES.pepper)
  return { ...identity, rootKey, caKey, pepper }
}

/** The files of the key folder as they are: private keys are sealed. @throws LanyardError `no-ca`, `profile-damaged` */
export const readKeyFiles = async (home: string): Promise<Readonly<Record<string, Uint8Array>>> => {
  const files: Record<string, Uint8Array> = {}
  for (const name of [FILES.root, FILES.rootKey, FILES.ca, FILES.caKey, FILES.pepper]) {
    files[name] = await readKeyFile(home, name)
  }
  return files
}

/** Puts the files of a backup into a home that has none. @returns false when there are some: they are left as they were */
export const importKeys = (home: string, files: Readonly<Record<string, Uint8Array>>): Promise<boolean> =>
  publishFolder(home, FOLDER, files)

const FOLDER = 'keys'
const FILES = {
  rootKey: 'root-key.pem',
  root: 'root.pem',
  caKey: 'ca-key.pem',
  ca: 'ca.pem',
  pepper: 'pepper.key',
} as const
const PEPPER_LABEL = 'lanyard pepper 1'

const readKeyFile = async (home: string, name: string): Promise<Buffer> => {
  try {
    return await readFile(join(home, FOLDER, name))
  } catch (cause) {
    throw fault(name === FILES.root ? 'no-ca' : 'profile-damaged', join(home, FOLDER, name), cause)
  }
}

const readCertificateFile = async (home: string, name: string): Promise<Uint8Array> => {
  const der = fromPem('CERTIFICATE', (await readKeyFile(home, name)).toString('utf8'))
  if (der === null) throw fault('profile-damaged', name)
  return der
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
