import { createPrivateKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { fromPem, toPem } from '../../shared/certificate/pem.ts'
import { openPrivateKey, sealPrivateKey } from '../../shared/certificate/sealed-key.ts'
import { LanyardError } from '../../shared/errors.ts'
import { systemRandom } from '../../shared/random.ts'
import { newKey } from '../support/certificates.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

const PASSPHRASE = 'correct horse: Käse'
const LABEL = 'ENCRYPTED PRIVATE KEY'
const key = newKey()
const pem = await sealPrivateKey(key, PASSPHRASE, systemRandom)

const codeOf = (opening: Promise<unknown>): Promise<string> =>
  opening.then(
    () => 'opened',
    (error: unknown) => (error instanceof LanyardError ? error.code : `threw ${error}`),
  )

test('the passphrase opens what it sealed', async () => {
  expect((await openPrivateKey(pem, PASSPHRASE)).equals(key)).toBe(true)
})

test('the same passphrase typed in decomposed letters opens it too', async () => {
  expect(await codeOf(openPrivateKey(pem, PASSPHRASE.normalize('NFD')))).toBe('opened')
})

test('another passphrase is told to be wrong', async () => {
  expect(await codeOf(openPrivateKey(pem, 'correct horse'))).toBe('passphrase-wrong')
  expect(await codeOf(openPrivateKey(pem, ''))).toBe('passphrase-wrong')
})

test('the same key sealed twice looks different', async () => {
  expect(await sealPrivateKey(key, PASSPHRASE, systemRandom)).not.toBe(pem)
})

test('opening leaves the event loop free', async () => {
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  await openPrivateKey(pem, PASSPHRASE)
  clearInterval(timer)
  expect(turns).toBeGreaterThan(0)
})

test('what is not a sealed key is a damaged profile, and is not worked on', async () => {
  const der = fromPem(LABEL, pem) ?? new Uint8Array()
  const costly = Buffer.from(der)
  const cost = costly.indexOf(Buffer.of(0x02, 0x02, 0x40, 0x00, 0x02, 0x01, 0x08)) // N = 16384, r = 8
  costly[cost + 2] = 0x7f
  for (const text of [
    '',
    'not a key',
    pem.slice(0, 300),
    pem.replace(LABEL, 'PRIVATE KEY'),
    toPem(LABEL, der.subarray(0, 200)),
    toPem(LABEL, Buffer.concat([der, Buffer.of(0)])),
    toPem(LABEL, costly),
  ]) {
    expect(await codeOf(openPrivateKey(text, PASSPHRASE))).toBe('profile-damaged')
  }
})

test("Node's own createPrivateKey opens it", () => {
  expect(createPrivateKey({ key: pem, passphrase: PASSPHRASE }).equals(key)).toBe(true)
})

testWithOpenssl('openssl opens it, and what openssl seals opens here', async () => {
  const plain = openssl(['pkey', '-in', 'key.pem', '-passin', `pass:${PASSPHRASE}`], { 'key.pem': pem })
  expect(createPrivateKey(plain).equals(key)).toBe(true)
  const args = ['pkcs8', '-topk8', '-scrypt', '-v2', 'aes-256-cbc', '-passout', 'pass:x', '-in', 'plain.pem']
  expect((await openPrivateKey(openssl(args, { 'plain.pem': plain }), 'x')).equals(key)).toBe(true)
})

test('PEM comes back as it went in, and anything else is null', () => {
  const bytes = systemRandom.bytes(100)
  expect(fromPem('CERTIFICATE', `some text before\n${toPem('CERTIFICATE', bytes)}and after`)).toEqual(bytes)
  expect(fromPem('CERTIFICATE', toPem('CERTIFICATE', bytes).replaceAll('\n', '\r\n'))).toEqual(bytes)
  expect(fromPem('X', toPem('CERTIFICATE', bytes))).toBe(null)
  expect(fromPem('CERTIFICATE', toPem('CERTIFICATE', new Uint8Array()))).toBe(null)
  expect(fromPem('CERTIFICATE', toPem('CERTIFICATE', bytes).replace(/\w/, '!'))).toBe(null)
  expect(fromPem('X', '-----BEGIN X-----\nAA$A\n-----END X-----')).toBe(null)
})
