import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createKeystore, type NewIdentity, openKeystore, readProfile } from '../../peer/identity/keystore.ts'
import { type PeerId, sha256 } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { newKey, testNetwork, user } from '../support/certificates.ts'
import { PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'

const network = testNetwork({ name: 'Büro' })
const identityOf = (name: string): NewIdentity => {
  const key = newKey()
  return {
    key,
    certificate: network.issue({ user: name, key }),
    root: network.root,
    profile: {
      networkName: 'Büro',
      user: user(name),
      caPeerId: 'QmYuEcgWEZnHymydrHVvpKoWxDb4pSDLzSYSJn4Z2bRCMj' as PeerId,
      caAddresses: ['/ip4/192.0.2.7/tcp/4100'],
      pin: sha256(network.anchor.spki),
    },
  }
}
const alice = identityOf('alice')
const sealing = { passphrase: PASSPHRASE, random: systemRandom }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let home: string
beforeEach(async () => {
  folder = await temporaryFolder()
  home = join(folder.path, 'alice')
})
afterEach(() => folder.remove())

const withCode = (code: string) => expect.objectContaining({ code })

describe('a keystore', () => {
  test('opens with its passphrase to what was put in', async () => {
    const made = await createKeystore(home, alice, sealing)
    const opened = await openKeystore(home, PASSPHRASE)
    expect(opened).toMatchObject({ profile: alice.profile, certificate: alice.certificate, root: alice.root })
    expect(opened.key.equals(alice.key)).toBe(true)
    expect(opened.storeKey).toEqual(made.storeKey)
    expect(opened.storeKey).toHaveLength(32)
  })

  test('tells whose it is without a passphrase', async () => {
    await createKeystore(home, alice, sealing)
    expect(await readProfile(home)).toEqual(alice.profile)
  })

  test('is for its owner alone, and holds no secret in the clear', async () => {
    const { storeKey, key } = await createKeystore(home, alice, sealing)
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    const files = await readdir(join(home, 'identity'))
    expect(files.sort()).toEqual(['certificate.pem', 'identity.pem', 'profile.json', 'root.pem', 'store.key'])
    const secret = Buffer.from(key.export({ type: 'pkcs8', format: 'der' })).subarray(-64)
    for (const file of files) {
      const path = join(home, 'identity', file)
      expect((await stat(path)).mode & 0o777).toBe(0o600)
      const content = await readFile(path)
      for (const bytes of [secret, Buffer.from(storeKey)]) {
        expect(content.includes(bytes) || content.includes(bytes.toString('base64'))).toBe(false)
      }
    }
  })

  test('stays shut to another passphrase', async () => {
    await createKeystore(home, alice, sealing)
    await expect(openKeystore(home, 'another one')).rejects.toEqual(withCode('passphrase-wrong'))
  })

  test('that was never made is no profile, also in a folder with other things in it', async () => {
    await expect(openKeystore(home, PASSPHRASE)).rejects.toEqual(withCode('no-profile'))
    await mkdir(home)
    await writeFile(join(home, 'notes.txt'), 'mine')
    await expect(readProfile(home)).rejects.toEqual(withCode('no-profile'))
    await createKeystore(home, alice, sealing)
    expect(await readFile(join(home, 'notes.txt'), 'utf8')).toBe('mine')
  })

  test('is never replaced: who has joined has joined, also of two at the same instant', async () => {
    const bob = identityOf('bob')
    const both = await Promise.allSettled([createKeystore(home, alice, sealing), createKeystore(home, bob, sealing)])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'already-enrolled' } })
    const winner = both[0].status === 'fulfilled' ? alice : bob
    expect((await openKeystore(home, PASSPHRASE)).profile.user).toBe(winner.profile.user)
    expect(await readdir(home)).toEqual(['identity'])
    await expect(createKeystore(home, bob, sealing)).rejects.toEqual(withCode('already-enrolled'))
  })

  const otherKey = identityOf('alice')
  test.each<[string, string | Uint8Array]>([
    ['identity.pem', 'not a key'],
    ['certificate.pem', 'not a certificate'],
    ['root.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['store.key', new Uint8Array(256)],
    ['profile.json', '{"version": 1'],
    ['profile.json', '{"version": 2}'],
    [
      'profile.json',
      JSON.stringify({ version: 1, networkName: 'x', user: '../x', caPeerId: 'x', caAddresses: [], pin: '' }),
    ],
  ])('with a damaged %s says so', async (file, content) => {
    await createKeystore(home, alice, sealing)
    await writeFile(join(home, 'identity', file), content)
    await expect(openKeystore(home, PASSPHRASE)).rejects.toEqual(withCode('profile-damaged'))
  })

  test.each(['identity.pem', 'certificate.pem', 'root.pem', 'store.key'])('with another %s says so', async (file) => {
    await createKeystore(home, alice, sealing)
    const elsewhere = join(folder.path, 'elsewhere')
    const other = testNetwork()
    await createKeystore(elsewhere, { ...otherKey, root: other.root }, sealing)
    await writeFile(join(home, 'identity', file), await readFile(join(elsewhere, 'identity', file)))
    await expect(openKeystore(home, PASSPHRASE)).rejects.toEqual(withCode('profile-damaged'))
  })

  test('of a join that was killed while it wrote is not there, and a second join is', async () => {
    // A child that dies in the middle of the second file of three.
    const script = `
      import { publishFolder } from ${JSON.stringify(new URL('../../shared/folder.ts', import.meta.url).href)}
      async function* die() {
        yield 'half a file'
        process.kill(process.pid, 'SIGKILL')
        await new Promise((resolve) => setTimeout(resolve, 60_000))
      }
      const files = { 'identity.pem': 'whole', 'profile.json': die(), 'store.key': 'whole' }
      await publishFolder(${JSON.stringify(home)}, 'identity', files)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' })
    expect(await new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)))).toBe('SIGKILL')
    expect(await readdir(home)).toHaveLength(1) // the draft
    await expect(readProfile(home)).rejects.toEqual(withCode('no-profile'))
    await createKeystore(home, alice, sealing)
    expect((await openKeystore(home, PASSPHRASE)).profile).toEqual(alice.profile)
  })
})
