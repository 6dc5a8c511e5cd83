import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCaKeys, readCaIdentity } from '../../ca-node/root-key.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { type CaCommand, caCommand, type Serving } from '../support/ca-command.ts'
import { enrolAs, newcomer, PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let home: string
let ca: CaCommand
let serving: Serving
beforeAll(async () => {
  folder = await temporaryFolder()
  home = join(folder.path, 'ca')
  ca = caCommand(home)
  serving = await ca.serve()
}, 90_000)
afterAll(async () => {
  ca.stop()
  await folder.remove()
})

const KEY = { LANYARD_CA_PASSPHRASE: PASSPHRASE }

const json = async (args: readonly string[], environment?: Record<string, string>) => {
  const { code, out, err } = await ca.run([...args, '--json'], environment)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}
const invited = async () => orThrow(parseInvite((await json(['invite'])).invites[0].invite))
const enrolled = async (name: string) => {
  await using device = await newcomer()
  return orThrow(await enrolAs(device, systemClock, { user: name, invite: await invited() }))
}
const events = async (): Promise<string[]> => {
  const { out } = await ca.run(['audit', '--json', '--lines', '1000'])
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).event)
}

// One life of a CA, in order.
describe('an operator who rolls the root over', { timeout: 120_000 }, () => {
  let older: Awaited<ReturnType<typeof enrolled>>

  test('is asked, and with a wrong passphrase nothing happens', async () => {
    older = await enrolled('alice')
    const unasked = await ca.run(['roll-over'], KEY)
    expect(unasked).toMatchObject({ code: 1, err: expect.stringContaining('--yes') })
    const wrong = await ca.run(['roll-over', '--yes'], { LANYARD_CA_PASSPHRASE: 'not this passphrase' })
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('passphrase') })
    expect(await ca.run(['roll-over', '--finish', '--yes'], KEY)).toMatchObject({
      code: 1,
      err: expect.stringContaining('nothing to end'),
    })
    expect(await readdir(home)).toContain('keys')
    expect(await json(['status'])).toMatchObject({ root: 1, overlap: null })
  })

  test('has a new root, sealed by a new passphrase if that is wished; what served with the old one ends by itself', async () => {
    const before = await json(['status'])
    const NEW = { ...KEY, LANYARD_CA_NEW_PASSPHRASE: 'another good passphrase' }
    const facts = await json(['roll-over', '--yes'], NEW)
    expect(facts).toMatchObject({ root: 2, crl: before.crl.number + 1 })
    expect(await serving.ended).toBe(1)
    const status = await json(['status'])
    expect(status).toMatchObject({
      root: 2,
      network: before.network,
      overlap: { until: facts.until, behind: [expect.any(String)] },
    })
    expect(status.networkCode).toBe(facts.networkCode)
    expect(status.networkCode).not.toBe(before.networkCode)
    expect((await readdir(home)).filter((name) => name.startsWith('keys'))).toEqual(['keys-2'])
    await expect(openCaKeys(home, PASSPHRASE, systemClock.now())).rejects.toMatchObject({ code: 'passphrase-wrong' })
    expect(await events()).toEqual(expect.arrayContaining(['rolled-over', 'crl']))
    serving = await ca.serve([], { LANYARD_CA_PASSPHRASE: 'another good passphrase' })
    expect((await json(['status'])).crl.number).toBe(facts.crl)
    expect((await enrolled('bob')).anchor).toMatchObject({ generation: 2 })
    expect((await events()).filter((event) => event === 'rolled-over').length).toBe(1)
  })

  test('can do it once at a time', async () => {
    const { code, err } = await ca.run(['roll-over', '--yes'], KEY)
    expect(code).toBe(1)
    expect(err).toContain('roll-over --finish')
  })

  testWithOpenssl(
    'exports papers with which openssl takes certificates of either root, by either, and reads one list',
    async () => {
      const out = join(folder.path, 'papers')
      await json(['export', '--out', out])
      const newer = await enrolled('carol')
      const names = ['root.pem', 'old-root.pem', 'new-with-old.pem', 'old-with-new.pem', 'ca.pem', 'crl.pem']
      expect((await readdir(out)).sort()).toEqual([...names].sort())
      const files: Record<string, string> = {
        'newer.pem': toPem('CERTIFICATE', newer.certificate),
        'older.pem': toPem('CERTIFICATE', older.certificate),
      }
      for (const name of names) files[name] = await readFile(join(out, name), 'utf8')
      const verify = (...args: string[]) => openssl(['verify', '-x509_strict', ...args], files)
      const list = ['-crl_check', '-CRLfile', 'crl.pem']
      expect(verify('-trusted', 'old-root.pem', '-untrusted', 'new-with-old.pem', 'newer.pem')).toContain('OK')
      expect(verify(...list, '-trusted', 'old-root.pem', '-untrusted', 'new-with-old.pem', 'newer.pem')).toContain('OK')
      expect(verify(...list, '-trusted', 'root.pem', 'newer.pem')).toContain('OK')
      expect(verify(...list, '-trusted', 'root.pem', '-untrusted', 'old-with-new.pem', 'older.pem')).toContain('OK')
    },
  )

  test('ends the time of the old root: the list says so, and counts who has not renewed', async () => {
    const before = await json(['status'])
    expect(await json(['roll-over', '--finish', '--yes'])).toMatchObject({
      root: 2,
      behind: before.overlap.behind,
      crl: before.crl.number + 1,
    })
    expect(await json(['status'])).toMatchObject({ root: 2, overlap: null, unsignedRevocations: false })
    expect(await events()).toContain('overlap-ended')
    expect(await json(['audit', 'verify'])).toMatchObject({ kind: 'intact' })
  })

  testWithOpenssl('and openssl no longer takes what the old one issued', async () => {
    const out = join(folder.path, 'later-papers')
    await json(['export', '--out', out])
    const files: Record<string, string> = { 'older.pem': toPem('CERTIFICATE', older.certificate) }
    for (const name of ['root.pem', 'old-with-new.pem', 'crl.pem'])
      files[name] = await readFile(join(out, name), 'utf8')
    const args = ['verify', '-crl_check_all', '-CRLfile', 'crl.pem', '-trusted', 'root.pem']
    expect(() => openssl([...args, '-untrusted', 'old-with-new.pem', 'older.pem'], files)).toThrow(
      'certificate revoked',
    )
  })

  test('survives what a crash leaves behind: half of the next keys, or half of the old ones', async () => {
    await mkdir(join(home, '.keys-3-0000'))
    await writeFile(join(home, '.keys-3-0000', 'root-key.pem'), 'half')
    await mkdir(join(home, 'keys'))
    await writeFile(join(home, 'keys', 'root.pem'), 'what was not erased yet')
    expect((await readCaIdentity(home, systemClock.now())).anchor).toMatchObject({ generation: 2 })
    serving.child.kill('SIGTERM')
    await serving.ended
    serving = await ca.serve([], { LANYARD_CA_PASSPHRASE: 'another good passphrase' })
    expect((await readdir(home)).filter((name) => name.startsWith('keys'))).toEqual(['keys-2'])
    await rm(join(home, '.keys-3-0000'), { recursive: true })
  })

  test('does not start with older keys than its database knows', async () => {
    serving.child.kill('SIGTERM')
    await serving.ended
    const elsewhere = join(folder.path, 'outdated')
    const outdated = caCommand(elsewhere)
    const first = await outdated.serve()
    first.child.kill('SIGTERM')
    await first.ended
    const keys = join(elsewhere, 'keys')
    const kept = join(folder.path, 'kept-keys')
    await mkdir(kept)
    for (const name of await readdir(keys)) await writeFile(join(kept, name), await readFile(join(keys, name)))
    expect(await outdated.run(['roll-over', '--yes'], KEY)).toMatchObject({ code: 0, err: '' })
    await rm(join(elsewhere, 'keys-2'), { recursive: true })
    await mkdir(keys)
    for (const name of await readdir(kept)) await writeFile(join(keys, name), await readFile(join(kept, name)))
    await expect(outdated.serve()).rejects.toThrow('a newer root than the one in these keys')
    outdated.stop()
  })
})
