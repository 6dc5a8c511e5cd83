import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Lineage, openLineage, readSuccessions, succeed, writeSuccessions } from '../shared/certificate/lineage.ts'
import { newRsaKey } from '../shared/certificate/new-key.ts'
import { createSuccession } from '../shared/certificate/new-succession.ts'
import { openSealed, sealTo } from '../shared/certificate/oaep.ts'
import { fromPem, toPem } from '../shared/certificate/pem.ts'
import { createRoot, issueCa } from '../shared/certificate/profile.ts'
import { spkiOf } from '../shared/certificate/rsa-key.ts'
import { openPrivateKey, sealPrivateKey } from '../shared/certificate/sealed-key.ts'
import { type TrustAnchor, type VerifiedCa, verifyCa } from '../shared/certificate/verify.ts'
import { fault, orThrow } from '../shared/errors.ts'
import { publishFolder } from '../shared/folder.ts'
import { networkIdOf } from '../shared/ids.ts'
import { CA_KEY_BITS, PEPPER_BYTES, ROOT_KEY_BITS, ROOT_OVERLAP_MS, SUCCESSIONS_MAX } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'

/** The public half of a CA: what its certificates say. `anchor` is its newest root, with those before it. */
export type CaIdentity = { readonly anchor: TrustAnchor; readonly lineage: Lineage; readonly ca: VerifiedCa }

/** The CA with its keys opened. */
export type CaKeys = CaIdentity & {
  /** Of the newest root. */
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
 * Makes the next root and what goes with it, in one rename: a crash leaves the CA with the old keys or with the new ones,
 * and with both the network goes on. The old root's key is needed no more (RFC 4210 §4.4.1), and is then erased by `retireKeys`.
 * Takes 1 to 4 s.
 * @param passphrase seals the new keys
 * @throws LanyardError `input-invalid` when another process was faster, or the CA has had SUCCESSIONS_MAX roots after its first
 */
export const createNextKeys = async (
  home: string,
  keys: CaKeys,
  parts: { readonly passphrase: string; readonly random: Random; readonly now: number },
): Promise<void> => {
  const { passphrase, random, now } = parts
  const { anchor, lineage } = keys
  if (lineage.successions.length >= SUCCESSIONS_MAX) throw fault('input-invalid', 'this network has had all its roots')
  const rootKey = await newRsaKey(ROOT_KEY_BITS)
  const order = { network: anchor.network, now, random }
  const succession = createSuccession({
    ...order,
    old: { certificate: anchor.certificate, key: keys.rootKey },
    generation: anchor.generation + 1,
    key: rootKey,
    overlapMs: ROOT_OVERLAP_MS,
  })
  // Through the door that every peer will hold it to.
  const { generation } = orThrow(succeed(anchor, succession, now))
  const ca = issueCa({ ...order, issuer: { certificate: succession.root, key: rootKey }, spki: keys.ca.spki })
  const published = await publishFolder(home, `${FOLDER}-${generation}`, {
    [FILES.rootKey]: await sealPrivateKey(rootKey, passphrase, random),
    [FILES.root]: toPem('CERTIFICATE', lineage.first),
    [FILES.successions]: writeSuccessions([...lineage.successions, succession]),
    [FILES.caKey]: await sealPrivateKey(keys.caKey, passphrase, random),
    [FILES.ca]: toPem('CERTIFICATE', ca),
    [FILES.pepper]: await readKeyFile(await folderOf(home), FILES.pepper),
  })
  if (!published) throw fault('input-invalid', 'another process has just rolled the root over')
}

/** Erases the keys of roots that a newer one has followed. */
export const retireKeys = async (home: string): Promise<void> => {
  const [, ...older] = await keyFolders(home)
  for (const name of older) await rm(join(home, name), { recursive: true, force: true })
}

/**
 * @param now milliseconds since the Unix epoch
 * @throws LanyardError `no-ca`, `profile-damaged`, `certificate-expired`, …
 */
export const readCaIdentity = async (home: string, now: number): Promise<CaIdentity> =>
  readIdentity(await folderOf(home), now)

const readIdentity = async (folder: string, now: number): Promise<CaIdentity> => {
  const lineage = {
    first: await readCertificateFile(folder, FILES.root),
    successions: await readSuccessionFile(folder),
  }
  const anchor = orThrow(openLineage(lineage, now))
  return { anchor, lineage, ca: orThrow(verifyCa(await readCertificateFile(folder, FILES.ca), { anchor, now })) }
}

/** @throws LanyardError `passphrase-wrong`, and all that `readCaIdentity` throws */
export const openCaKeys = async (home: string, passphrase: string, now: number): Promise<CaKeys> => {
  const folder = await folderOf(home)
  const identity = await readIdentity(folder, now)
  const [rootKey, caKey] = await Promise.all(
    [FILES.rootKey, FILES.caKey].map(async (name) =>
      openPrivateKey((await readKeyFile(folder, name)).toString('utf8'), passphrase),
    ),
  )
  if (rootKey === undefined || caKey === undefined) throw fault('profile-damaged')
  const matching = equal(spkiOf(rootKey), identity.anchor.spki) && equal(spkiOf(caKey), identity.ca.spki)
  if (!matching) throw fault('profile-damaged', 'a key and its certificate do not belong together')
  const pepper = openSealed(caKey, await readKeyFile(folder, FILES.pepper), PEPPER_LABEL)
  if (pepper === null) throw fault('profile-damaged', FILES.pepper)
  return { ...identity, rootKey, caKey, pepper }
}

/** The files of the key folder as they are: private keys are sealed. @throws LanyardError `no-ca`, `profile-damaged` */
export const readKeyFiles = async (home: string): Promise<KeyFiles> => {
  const folder = await folderOf(home)
  const files: Record<string, Uint8Array> = {}
  for (const name of [FILES.root, FILES.rootKey, FILES.ca, FILES.caKey, FILES.pepper]) {
    files[name] = await readKeyFile(folder, name)
  }
  const successions = await readFile(join(folder, FILES.successions)).catch(() => null)
  return successions === null ? files : { ...files, [FILES.successions]: successions }
}

/** By name. */
export type KeyFiles = Readonly<Record<string, Uint8Array>>

/** How the key files of a backup stand to those of the home: of another CA, or with more or fewer roots. */
export const compareKeys = async (
  home: string,
  files: KeyFiles,
): Promise<'none' | 'same' | 'newer' | 'older' | 'other'> => {
  if ((await keyFolders(home)).length === 0) return 'none'
  const here = await readKeyFiles(home)
  const same = (name: string): boolean => equal(here[name] ?? NOTHING, files[name] ?? NOTHING)
  if (![FILES.root, FILES.pepper].every(same)) return 'other'
  const [theirs, ours] = [successionsIn(files).length, successionsIn(here).length]
  if (theirs === ours) return same(FILES.ca) ? 'same' : 'other'
  return theirs > ours ? 'newer' : 'older'
}

/** Puts the files of a backup into a home that has none, or older ones. @returns false when they are there already */
export const importKeys = (home: string, files: KeyFiles): Promise<boolean> => {
  const { length } = successionsIn(files)
  return publishFolder(home, length === 0 ? FOLDER : `${FOLDER}-${length + 1}`, files)
}

const FOLDER = 'keys' // and keys-2, keys-3 … of the second root, the third …
const FILES = {
  rootKey: 'root-key.pem',
  root: 'root.pem',
  successions: 'successions.pem',
  caKey: 'ca-key.pem',
  ca: 'ca.pem',
  pepper: 'pepper.key',
} as const
const PEPPER_LABEL = 'lanyard pepper 1'
const NOTHING = new Uint8Array()

/** Of the newest root first. */
const keyFolders = async (home: string): Promise<string[]> => {
  const names = await readdir(home).catch(() => [])
  const numberOf = (name: string): number => Number(name.slice(FOLDER.length + 1) || 1)
  return names.filter((name) => /^keys(-\d{1,4})?$/.test(name)).sort((a, b) => numberOf(b) - numberOf(a))
}

const folderOf = async (home: string): Promise<string> => join(home, (await keyFolders(home))[0] ?? FOLDER)

const successionsIn = (files: KeyFiles) =>
  readSuccessions(Buffer.from(files[FILES.successions] ?? NOTHING).toString('latin1')) ?? []

const readSuccessionFile = async (folder: string) => {
  const text = await readFile(join(folder, FILES.successions), 'latin1').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return ''
    throw fault('profile-damaged', FILES.successions, cause)
  })
  const successions = readSuccessions(text)
  if (successions === null) throw fault('profile-damaged', FILES.successions)
  return successions
}

const readKeyFile = async (folder: string, name: string): Promise<Buffer> => {
  try {
    return await readFile(join(folder, name))
  } catch (cause) {
    throw fault(name === FILES.root ? 'no-ca' : 'profile-damaged', join(folder, name), cause)
  }
}

const readCertificateFile = async (folder: string, name: string): Promise<Uint8Array> => {
  const der = fromPem('CERTIFICATE', (await readKeyFile(folder, name)).toString('utf8'))
  if (der === null) throw fault('profile-damaged', name)
  return der
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
