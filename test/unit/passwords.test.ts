import { argon2Sync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createPasswords } from '../../ca-node/passwords.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { PASSWORD_HASHES_AT_ONCE, PASSWORD_HASHES_WAITING } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'

const pepper = new Uint8Array(32).fill(7)

describe('a password hash', () => {
  test('is the argon2id of RFC 9106 in a PHC string, with 64 MiB, 3 passes, 4 lanes, and the pepper', async () => {
    const passwords = createPasswords(pepper, { bytes: (length) => new Uint8Array(length).fill(5) })
    const phc = orThrow(await passwords.hash('correct horse'))
    const tag = argon2Sync('argon2id', {
      message: 'correct horse',
      nonce: new Uint8Array(16).fill(5),
      secret: pepper,
      memory: 64 * 1024,
      passes: 3,
      parallelism: 4,
      tagLength: 32,
    })
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
    expect(phc).toBe(`$argon2id$v=19$m=65536,t=3,p=4$${base64(new Uint8Array(16).fill(5))}$${base64(tag)}`)
  })

  test('verifies that password alone, in whichever Unicode form it was typed, and only with the pepper', async () => {
    const passwords = createPasswords(pepper, systemRandom)
    const phc = orThrow(await passwords.hash('Käsebrot'.normalize('NFC')))
    expect(await passwords.verify('Käsebrot'.normalize('NFD'), phc)).toBeNull()
    expect(await passwords.verify('Kasebrot', phc)).toMatchObject({ code: 'password-wrong' })
    const elsewhere = createPasswords(new Uint8Array(32), systemRandom)
    expect(await elsewhere.verify('Käsebrot', phc)).toMatchObject({ code: 'password-wrong' })
  })

  test('waits its turn in a bounded queue; one more is turned away at once, and the queue goes on', async () => {
    const passwords = createPasswords(pepper, systemRandom)
    const inQueue = Array.from({ length: PASSWORD_HASHES_AT_ONCE }, () => passwords.hash('correct horse'))
    // The line is filled with passwords that can't be hashed, so that it empties in no time.
    const unhashable = { normalize: () => Symbol('not text') } as unknown as string
    const line = Array.from({ length: PASSWORD_HASHES_WAITING }, () => passwords.hash(unhashable).catch(() => 'failed'))
    expect(await passwords.hash('one too many')).toMatchObject({ code: 'busy' })
    expect((await Promise.all(inQueue)).every((phc) => !isRefusal(phc))).toBe(true)
    expect(new Set(await Promise.all(line))).toEqual(new Set(['failed']))
    expect(isRefusal(await passwords.hash('correct horse'))).toBe(false)
  })
})
