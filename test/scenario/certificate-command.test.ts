import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toPem } from '../../shared/certificate/pem.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { anyAuthority, CLIENT_AUTH, entry, extensions, LEAF_SERIAL } from '../support/any-certificate.ts'
import { testNetwork } from '../support/certificates.ts'
import { temporaryFolder } from '../support/enrolment.ts'

const MAIN = fileURLToPath(new URL('../../peer/main.ts', import.meta.url))

const now = Date.UTC(2026, 4, 3, 10, 0, 0)
const AT = ['--at', '2026-05-03T10:00:00Z']
const authority = anyAuthority(now)
const network = testNetwork({ clock: { now: () => now } })

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const at = (name: string): string => join(folder.path, name)
const ROOT = () => ['--root', at('root.pem')]

beforeAll(async () => {
  folder = await temporaryFolder()
  const client = extensions.purposes(CLIENT_AUTH)
  const files: Readonly<Record<string, string | Uint8Array>> = {
    'root.pem': toPem('CERTIFICATE', authority.root),
    'leaf.pem': toPem('CERTIFICATE', authority.leaf()),
    'leaf.der': authority.leaf(),
    'old.der': authority.leaf({ notAfter: now - 1_000 }),
    'client.der': authority.leaf({ extensions: [extensions.authorityKey(authority.keyId), client] }),
    'list.pem': toPem('X509 CRL', authority.list({ entries: [entry(LEAF_SERIAL, now - DAY_MS)] })),
    'network.der': network.root,
    'device.der': network.issue({ user: 'alice' }),
    'notes.txt': 'nothing in here',
  }
  for (const [name, content] of Object.entries(files)) await writeFile(at(name), content)
})
afterAll(() => folder.remove())

type Run = { readonly code: number; readonly answers: readonly Record<string, unknown>[]; readonly err: string }

const verify = (...args: readonly string[]): Promise<Run> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'certificate', 'verify', ...args], (error, out, err) => {
      const answers = out
        .split('\n')
        .filter((line) => line !== '')
        .map((line): Record<string, unknown> => JSON.parse(line))
      resolve({ code: error === null ? 0 : Number(error.code), answers, err })
    })
  })

describe('npm run peer -- certificate verify', () => {
  test('answers for each file, PEM or DER', async () => {
    const { code, answers } = await verify(...ROOT(), ...AT, at('leaf.pem'), at('leaf.der'))
    expect(code).toBe(0)
    const facts = {
      ok: true,
      serial: '2a010203',
      notBefore: '2026-05-03T09:00:00.000Z',
      notAfter: '2026-05-04T10:00:00.000Z',
    }
    expect(answers).toEqual([
      { file: at('leaf.pem'), ...facts },
      { file: at('leaf.der'), ...facts },
    ])
  })

  test('names the code of each refusal, and then the exit code is 1', async () => {
    const files = ['leaf.der', 'old.der', 'notes.txt', 'missing.pem', '.', 'device.der'].map(at)
    const { code, answers } = await verify(...ROOT(), ...AT, ...files)
    expect(code).toBe(1)
    expect(answers.map(({ file }) => file)).toEqual(files)
    expect(answers.map(({ code: reason }) => reason)).toEqual([
      undefined,
      'certificate-expired',
      'certificate-malformed',
      'file-unreadable',
      'file-unreadable',
      'certificate-wrong-root',
    ])
    expect(answers[1]).toMatchObject({ ok: false, reason: expect.stringContaining('expired on 3 May 2026 09:59 UTC') })
    expect(answers[1]).not.toHaveProperty('next')
  })

  test('heeds lists, the use and the time that are asked for', async () => {
    const codeOf = async (...args: readonly string[]) => (await verify(...ROOT(), ...args)).answers[0]?.code ?? 'taken'
    const [leaf, client] = [at('leaf.der'), at('client.der')]
    expect(await codeOf(...AT, '--crl', at('list.pem'), leaf)).toBe('certificate-revoked')
    expect(await codeOf(...AT, '--crl', at('list.pem'), client)).toBe('certificate-revoked')
    expect(await codeOf(...AT, '--usage', 'clientAuth', client)).toBe('taken')
    expect(await codeOf(...AT, '--usage', 'serverAuth', client)).toBe('certificate-wrong-usage')
    expect(await codeOf('--at', String(now / 1000 + 2 * 86_400), leaf)).toBe('certificate-expired')
    expect(await codeOf('--at', '2026-05-01', leaf)).toBe('certificate-not-yet-valid')
  })

  test("knows our own devices' profile", async () => {
    const root = ['--root', at('network.der'), ...AT, '--profile']
    const { answers } = await verify(...root, at('device.der'))
    expect(answers).toMatchObject([{ ok: true, user: 'alice', network: network.network }])
    expect((await verify(...ROOT(), ...AT, '--profile', at('leaf.der'))).answers).toMatchObject([
      { ok: false, code: 'certificate-wrong-profile' },
    ])
  })

  test.each([
    ['no root', 2, () => [at('leaf.der')], '--root'],
    ['a root that is not there', 1, () => ['--root', at('missing.pem'), at('leaf.der')], 'missing.pem'],
    ['a list that is not there', 1, () => [...ROOT(), '--crl', at('missing.crl'), at('leaf.der')], 'missing.crl'],
    ['no file', 2, () => ROOT(), 'file'],
    ['a time in words', 1, () => [...ROOT(), '--at', 'tomorrow', at('leaf.der')], '--at tomorrow'],
    ['31 February', 1, () => [...ROOT(), '--at', '2026-02-31T00:00:00Z', at('leaf.der')], '--at 2026-02-31'],
    [
      'a time of no zone',
      1,
      () => [...ROOT(), '--at', '2026-05-03T10:00:00', at('leaf.der')],
      '--at 2026-05-03T10:00:00',
    ],
    ['an unknown use', 2, () => [...ROOT(), '--usage', 'codeSigning', at('leaf.der')], 'clientAuth'],
  ] as const)('says what is wrong with %s', async (_, exit, args, said) => {
    const { code, answers, err } = await verify(...args())
    expect(code).toBe(exit)
    expect(answers).toEqual([])
    expect(err).toContain(said)
  })
})
