import { spawnSync } from 'node:child_process'
import { constants, createCipheriv, createPrivateKey, verify as verifySignature } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openBox } from '../../peer/group/boxes.ts'
import { createGroup } from '../../peer/group/group.ts'
import { createRecordVerifier, parseRecord, signBatch } from '../../peer/log/record.ts'
import { openDatabase } from '../../peer/store/database.ts'
import { createKeyStore } from '../../peer/store/keys.ts'
import { createSealer } from '../../peer/store/sealer.ts'
import { openSealed } from '../../shared/certificate/oaep.ts'
import { trustAnchor, verifyCa, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { fromHex, type PeerId, type RecordHash, toHex, toIncarnation, type UserName } from '../../shared/ids.ts'
import { parseInvite } from '../../shared/invite.ts'
import { merkleTree } from '../../shared/merkle.ts'
import { parseNetworkCode } from '../../shared/network-code.ts'
import { CHALLENGE_LABEL } from '../../shared/wire/challenge.ts'
import { testWithOpenssl } from '../support/openssl.ts'
import { readProtocolText } from '../support/protocol-text.ts'
import { computeVectors, NOW } from '../support/protocol-vectors.ts'

const text = readProtocolText()
const told = (name: string): string => text.vectors[name] ?? ''
const given = { pems: text.pems, box: told('box'), signature: told('signature') }
const ours = computeVectors(given)
const anchor = orThrow(trustAnchor(ours.root, NOW))

describe('the test vectors of the protocol text', () => {
  test('are what our code computes', () => {
    const { box, signature, 'challenge-ciphertext': challenge, ...fixed } = text.vectors
    expect(fixed).toEqual(ours.vectors)
    expect([box?.length, signature?.length, challenge?.length]).toEqual([160, 512, 512])
  })

  test('have the certificates and the request that our code makes', () => {
    expect(text.pems).toMatchObject(ours.pems)
  })

  test('have certificates that verify, an invite and a code that read', () => {
    expect(verifyDevice(ours.certificate, { anchor, now: NOW })).toMatchObject({ user: 'alice' })
    expect(verifyCa(ours.caCertificate, { anchor, now: NOW })).toMatchObject({ peerId: told('ca-peer-id') })
    expect(parseInvite(told('invite'))).toMatchObject({ pin: fromHex(told('root-pin')), networkName: 'test' })
    expect(parseNetworkCode(told('network-code'))).toEqual(fromHex(told('root-pin')))
  })

  test('have a challenge that opens with the device key', () => {
    const key = createPrivateKey(text.pems['alice.key.pem'] ?? '')
    const context = openSealed(key, fromHex(told('challenge-ciphertext')), CHALLENGE_LABEL)
    expect(context).toEqual(fromHex(told('challenge-context')))
  })

  test('have a record that its author signed, in a batch as we sign one', async () => {
    const record = orThrow(parseRecord(fromHex(told('message-record'))))
    const author = orThrow(verifyDevice(ours.certificate, { anchor, now: NOW }))
    expect(createRecordVerifier()(record, author)).toBe(null)

    const hashes = ['device-hash', 'sender-key-hash', 'message-hash'].map((name) => told(name) as RecordHash)
    expect(toHex(merkleTree(hashes.map(fromHex)).root)).toBe(told('merkle-root'))
    const signed = await signBatch(createPrivateKey(text.pems['alice.key.pem'] ?? ''), hashes)
    expect(signed[2]?.proof).toEqual(record.wire.proof)
    const pss = { key: author.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    expect(verifySignature('sha256', fromHex(told('statement')), pss, signed[2]?.signature ?? new Uint8Array())).toBe(
      true,
    )
  })

  test('have a box that opens to the secret', async () => {
    expect(await openBox(fromHex(told('bob-prekey-secret')), ours.boxContext, fromHex(told('box')))).toEqual(
      ours.secret,
    )
  })

  test('have a sender key as a device prepares it, and a message as it seals it', async () => {
    const secret = fromHex(told('sender-secret'))
    const keys = createKeyStore(
      openDatabase(':memory:'),
      createSealer(new Uint8Array(32), { bytes: (n) => new Uint8Array(n) }),
    )
    const group = createGroup({
      network: ours.network,
      self: told('alice-peer-id') as PeerId,
      incarnation: toIncarnation(fromHex(told('incarnation'))),
      keys,
      clock: { now: () => NOW },
      random: { bytes: () => secret },
    })
    const { room, recipient } = ours.boxContext
    const prekey = { id: fromHex(told('bob-prekey-id')), suite: 1, publicKey: fromHex(told('bob-prekey')) }
    const prepared = await group.prepare(room, {
      list: [{ peer: recipient, user: 'bob' as UserName, prekey }],
      pastIsOpen: true,
    })
    if (prepared === null) throw new Error('nothing prepared')
    const [body] = prepared.bodies
    expect([toHex(body?.commitment ?? secret), toHex(body?.members ?? secret)]).toEqual([
      told('commitment'),
      told('members'),
    ])
    group.use(prepared)
    const sealed = group.seal(room, fromHex(told('plaintext')))
    expect([toHex(sealed.body), toHex(sealed.header.commitment)]).toEqual([
      told('message-body'),
      told('message-commitment'),
    ])
  })

  test('have the cipher key and the nonce that AES-GCM sees', () => {
    const [key, nonce] = [fromHex(told('cipher-key')), fromHex(told('nonce'))]
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(fromHex(told('general-room')))
    const body = Buffer.concat([cipher.update(fromHex(told('plaintext'))), cipher.final(), cipher.getAuthTag()])
    expect(toHex(body)).toBe(told('message-body'))
  })
})

describe('the openssl commands of the protocol text', () => {
  /** Runs them over the vectors, with one hex vector exchanged for another value. */
  const run = (changes: Readonly<Record<string, string>> = {}): readonly string[] => {
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-protocol-'))
    try {
      for (const [name, pem] of Object.entries(text.pems)) writeFileSync(join(folder, name), pem)
      for (const [name, value] of Object.entries({ ...text.vectors, ...changes })) {
        if (/^([0-9a-f]{2})+$/.test(value)) writeFileSync(join(folder, `${name}.bin`), fromHex(value))
      }
      return text.commands.filter(
        (command) => spawnSync('sh', ['-e', '-c', command], { cwd: folder, stdio: 'ignore' }).status !== 0,
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const altered = (name: string): Readonly<Record<string, string>> => ({
    [name]: told(name).replace(/..$/, (last) => (last === '00' ? '01' : '00')),
  })

  testWithOpenssl('all say yes', () => {
    expect(text.commands.length).toBeGreaterThan(8)
    expect(run()).toEqual([])
  })

  testWithOpenssl.each([
    ['root-pin', 'cmp - root-pin.bin'],
    ['signature', '-signature signature.bin'],
    ['statement', '-signature signature.bin'],
    ['challenge-ciphertext', 'pkeyutl -decrypt'],
    ['message-header', 'message-header.bin'],
  ])('one says no when %s is altered', (name, command) => {
    expect(run(altered(name))).toEqual([expect.stringContaining(command)])
  })
})
