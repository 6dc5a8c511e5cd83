import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSealed, sealTo } from '../../shared/certificate/oaep.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { createRequest, readRequest } from '../../shared/certificate/request.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, orThrow, type Refusal } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'
import { formatInvite, type Invite, parseInvite } from '../../shared/invite.ts'
import { CHALLENGE_LIFETIME_MS, ENROLMENT_TRIES, ENROLMENT_WINDOW_MS, INVITE_LIFETIME_MS } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { createNode } from '../../shared/network/node.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { CHALLENGE_LABEL, type ChallengeContext, challengeCodec, multihashOf } from '../../shared/wire/challenge.ts'
import {
  type CaMessage,
  caCodec,
  enrolmentProtocol,
  type NewcomerMessage,
  newcomerCodec,
} from '../../shared/wire/enrolment.ts'
import { newKey, testNetwork, user } from '../support/certificates.ts'
import {
  enrolAs,
  manualClock,
  type Newcomer,
  newcomer,
  PASSWORD,
  type RawLine,
  rawLine,
  type TestCa,
  testCa,
} from '../support/enrolment.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await testCa({ silenceMs: 1_500 }) // enough for a newcomer on a busy machine
})
afterAll(() => ca.stop())

/** The promise behind every refusal: the CA goes on serving. */
const stillServes = async (name: string): Promise<void> => {
  await using device = await newcomer()
  expect(await enrolAs(device, ca.clock, { user: name, invite: await ca.oneInvite() })).toHaveProperty('certificate')
}

const names = async (): Promise<string[]> => (await ca.users()).map(({ name }) => name)

describe('a newcomer with an invite', () => {
  test('gets a certificate that every peer takes, and the certificates of the others', async () => {
    await using alice = await newcomer()
    const invite = orThrow(parseInvite(formatInvite(await ca.oneInvite())))
    const enrolled = orThrow(await enrolAs(alice, ca.clock, { user: 'alice', invite }))
    const anchor = orThrow(trustAnchor(enrolled.root, ca.clock.now()))
    const device = orThrow(verifyDevice(enrolled.certificate, { anchor, now: ca.clock.now() }))
    expect(device).toMatchObject({ user: 'alice', peerId: alice.node.peerId, network: ca.network })

    await using second = await newcomer()
    const bob = orThrow(await enrolAs(second, ca.clock, { user: 'bob', invite: await ca.oneInvite() }))
    expect(
      bob.directory.map(({ certificate }) => orThrow(verifyDevice(certificate, { anchor, now: ca.clock.now() })).user),
    ).toEqual(expect.arrayContaining(['alice', 'bob']))
  })

  testWithOpenssl('gets a chain that openssl verifies strictly', async () => {
    await using device = await newcomer()
    const enrolled = orThrow(await enrolAs(device, ca.clock, { user: 'strict', invite: await ca.oneInvite() }))
    const files = {
      'root.pem': toPem('CERTIFICATE', enrolled.root),
      'device.pem': toPem('CERTIFICATE', enrolled.certificate),
      'ca.pem': toPem('CERTIFICATE', enrolled.caCertificate),
    }
    const at = String(Math.floor(ca.clock.now() / 1000))
    for (const leaf of ['device.pem', 'ca.pem']) {
      const verdict = openssl(['verify', '-x509_strict', '-attime', at, '-CAfile', 'root.pem', leaf], files)
      expect(verdict).toContain('OK')
    }
  })

  test('is refused a second time: the device has joined already', async () => {
    await using device = await newcomer()
    orThrow(await enrolAs(device, ca.clock, { user: 'once', invite: await ca.oneInvite() }))
    const again = await enrolAs(device, ca.clock, { user: 'twice', invite: await ca.oneInvite() })
    expect(again).toMatchObject({ code: 'already-enrolled', by: 'there' })
  })
})

describe('the CA refuses, in a word, and goes on serving:', () => {
  const refusalFor = async (parts: { user: string; invite: Invite; password?: string }): Promise<unknown> => {
    await using device = await newcomer()
    return await enrolAs(device, ca.clock, parts)
  }

  test('a token that it never gave out', async () => {
    const invite = { ...(await ca.oneInvite()), token: new Uint8Array(16) }
    expect(await refusalFor({ user: 'guesser', invite })).toMatchObject({ code: 'token-wrong', by: 'there' })
    await stillServes('after-wrong-token')
  })

  test('a token that was used', async () => {
    const invite = await ca.oneInvite()
    await using device = await newcomer()
    orThrow(await enrolAs(device, ca.clock, { user: 'first', invite }))
    expect(await refusalFor({ user: 'second', invite })).toMatchObject({ code: 'token-used', by: 'there' })
    expect(await names()).not.toContain('second')
    await stillServes('after-used-token')
  })

  test('a token that has expired, from its very last moment on', async () => {
    const invite = await ca.oneInvite()
    ca.clock.advance(INVITE_LIFETIME_MS)
    expect(await refusalFor({ user: 'late', invite })).toMatchObject({ code: 'token-expired', by: 'there' })
    await stillServes('after-expired-token')
  })

  test('a name that is taken; the token stays good for another name', async () => {
    const invite = await ca.oneInvite()
    await stillServes('taken')
    expect(await refusalFor({ user: 'taken', invite })).toMatchObject({ code: 'name-taken', by: 'there' })
    await using device = await newcomer()
    orThrow(await enrolAs(device, ca.clock, { user: 'not-taken', invite }))
  })

  test('a password of 7 characters', async () => {
    const invite = await ca.oneInvite()
    expect(await refusalFor({ user: 'short', invite, password: '1234567' })).toMatchObject({
      code: 'password-too-short',
      by: 'there',
    })
    await stillServes('after-short-password')
  })

  test('the sixth try of one device within 15 minutes', async () => {
    await using device = await newcomer()
    const invite = { ...(await ca.oneInvite()), token: new Uint8Array(16) }
    const tries: unknown[] = []
    for (let count = 0; count <= ENROLMENT_TRIES; count += 1) {
      tries.push(await enrolAs(device, ca.clock, { user: `persistent${count}`, invite }))
    }
    expect(tries.map((refusal) => (refusal as Refusal).code)).toEqual([
      ...Array.from({ length: ENROLMENT_TRIES }, () => 'token-wrong'),
      'rate-limited',
    ])
    ca.clock.advance(ENROLMENT_WINDOW_MS)
    orThrow(await enrolAs(device, ca.clock, { user: 'patient', invite: await ca.oneInvite() }))
  })

  test('one of two who want one name at the same instant, and keeps the token of that one good', async () => {
    const [left, right] = [await newcomer(), await newcomer()]
    const [leftInvite, rightInvite] = [await ca.oneInvite(), await ca.oneInvite()]
    const outcomes = await Promise.all([
      enrolAs(left, ca.clock, { user: 'coveted', invite: leftInvite }),
      enrolAs(right, ca.clock, { user: 'coveted', invite: rightInvite }),
    ])
    expect(outcomes.filter((outcome) => !isRefusal(outcome))).toHaveLength(1)
    expect(outcomes.find(isRefusal)).toMatchObject({ code: 'name-taken', by: 'there' })
    expect((await names()).filter((name) => name === 'coveted')).toHaveLength(1)
    const [loser, invite] = isRefusal(outcomes[0]) ? [left, leftInvite] : [right, rightInvite]
    orThrow(await enrolAs(loser, ca.clock, { user: 'consoled', invite }))
    await Promise.all([left.node.stop(), right.node.stop()])
  })

  test('one of two who come with one token at the same instant', async () => {
    const [left, right] = [await newcomer(), await newcomer()]
    const invite = await ca.oneInvite()
    const outcomes = await Promise.all([
      enrolAs(left, ca.clock, { user: 'sharer-a', invite }),
      enrolAs(right, ca.clock, { user: 'sharer-b', invite }),
    ])
    expect(outcomes.filter((outcome) => !isRefusal(outcome))).toHaveLength(1)
    expect(outcomes.find(isRefusal)).toMatchObject({ code: 'token-used' })
    await Promise.all([left.node.stop(), right.node.stop()])
  })
})

describe('of the challenge the CA takes', () => {
  type Open = { device: Newcomer; line: RawLine; answer: Extract<NewcomerMessage, { kind: 'answer' }> }

  const next = async <Kind extends CaMessage['kind']>(line: RawLine, kind: Kind) => {
    const message = orThrow(await line.receive())
    expect(message.kind).toBe(kind)
    return message as Extract<CaMessage, { kind: Kind }>
  }

  /** Somebody with a good invite, up to the challenge, with the right answer in hand. */
  const challenged = async (name: string): Promise<Open> => {
    const device = await newcomer()
    const invite = await ca.oneInvite()
    const line = await rawLine(device, invite)
    await line.send({ kind: 'begin' })
    await next(line, 'identity')
    const csr = createRequest({ key: device.key, user: user(name) })
    await line.send({
      kind: 'request',
      csr,
      user: name,
      password: PASSWORD,
      door: { kind: 'token', token: invite.token },
      addresses: [],
    })
    const { id, ciphertext } = await next(line, 'challenge')
    const plain = openSealed(device.key, ciphertext, CHALLENGE_LABEL)
    if (plain === null) throw new Error('the challenge does not open')
    const context = orThrow(challengeCodec.decode(plain))
    expect(context).toMatchObject({
      csr: sha256(csr),
      newcomer: multihashOf(device.node.peerId),
      ca: multihashOf(ca.peerId),
    })
    return { device, line, answer: { kind: 'answer', id, nonce: context.nonce } }
  }

  test('no wrong answer, and after it not even the right one', async () => {
    const { device, line, answer } = await challenged('wrong-answer')
    await line.send({ ...answer, nonce: new Uint8Array(32) })
    expect(await next(line, 'refused')).toMatchObject({ code: 'challenge-wrong' })
    const second = await rawLine(device, await ca.oneInvite())
    await second.send(answer)
    expect(await next(second, 'refused')).toMatchObject({ code: 'challenge-used' })
    expect(await names()).not.toContain('wrong-answer')
    await device.node.stop()
    await stillServes('after-wrong-answer')
  })

  test('no answer after 60 s by its own clock', async () => {
    const { device, line, answer } = await challenged('late-answer')
    ca.clock.advance(CHALLENGE_LIFETIME_MS)
    await line.send(answer)
    expect(await next(line, 'refused')).toMatchObject({ code: 'challenge-late' })
    expect(await names()).not.toContain('late-answer')
    await device.node.stop()
    await stillServes('after-late-answer')
  })

  test('no second answer, on the same stream or on another', async () => {
    const { device, line, answer } = await challenged('two-answers')
    await line.send(answer)
    await next(line, 'issued')
    await line.send(answer)
    expect(await next(line, 'refused')).toMatchObject({ code: 'challenge-used' })
    const second = await rawLine(device, await ca.oneInvite())
    await second.send(answer)
    expect(await next(second, 'refused')).toMatchObject({ code: 'challenge-used' })
    await device.node.stop()
    await stillServes('after-two-answers')
  })

  test("nobody else's answer, and leaves the challenge open for whom it was made", async () => {
    const { device, line, answer } = await challenged('own-answer')
    await using thief = await newcomer()
    const other = await rawLine(thief, await ca.oneInvite())
    await other.send(answer)
    expect(await next(other, 'refused')).toMatchObject({ code: 'challenge-unknown' })
    await line.send(answer)
    await next(line, 'issued')
    await device.node.stop()
  })

  test('no request for another key than the one that the connection proved', async () => {
    await using device = await newcomer()
    const invite = await ca.oneInvite()
    const line = await rawLine(device, invite)
    await line.send({ kind: 'begin' })
    await next(line, 'identity')
    const csr = createRequest({ key: newKey(), user: user('borrower') })
    const door = { kind: 'token', token: invite.token } as const
    await line.send({ kind: 'request', csr, user: 'borrower', password: PASSWORD, door, addresses: [] })
    expect(await next(line, 'refused')).toMatchObject({ code: 'request-wrong-key' })
    await stillServes('after-borrower')
  })

  test.each<[string, string, (device: Newcomer) => { user: string; csr: Uint8Array }]>([
    [
      'a name that breaks the rule',
      'name-invalid',
      ({ key }) => ({ user: 'No Name', csr: createRequest({ key, user: user('no-name') }) }),
    ],
    [
      'a request that names somebody else',
      'request-malformed',
      ({ key }) => ({ user: 'no-name', csr: createRequest({ key, user: user('else') }) }),
    ],
    ['what is no request', 'request-malformed', () => ({ user: 'no-name', csr: new Uint8Array(500) })],
  ])('not %s', async (_what, code, asked) => {
    await using device = await newcomer()
    const invite = await ca.oneInvite()
    const line = await rawLine(device, invite)
    await line.send({ kind: 'begin' })
    await next(line, 'identity')
    const door = { kind: 'token', token: invite.token } as const
    await line.send({ kind: 'request', password: PASSWORD, door, addresses: [], ...asked(device) })
    expect(await next(line, 'refused')).toMatchObject({ code })
    expect(await names()).not.toContain('no-name')
  })
})

describe('of noise the CA thinks nothing:', () => {
  const lastRefused = (device: Newcomer): unknown =>
    ca.logged.findLast(({ event, facts }) => event !== 'left' && facts.peer === device.node.peerId)

  test('a malformed frame ends its stream with a word', async () => {
    await using device = await newcomer()
    const line = await rawLine(device, await ca.oneInvite())
    const frames = openFrames(line.stream, { maxFrameBytes: 1024 })
    await frames.send(Uint8Array.of(0xff, 0x00, 0x13))
    expect(await line.receive()).toMatchObject({ kind: 'refused', code: 'frame-malformed' })
    expect(await line.receive()).toMatchObject({ code: 'stream-closed' })
    await stillServes('after-malformed')
  })

  test('an oversized frame ends its stream with a word, and is not read', async () => {
    await using device = await newcomer()
    const line = await rawLine(device, await ca.oneInvite())
    line.stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0))
    expect(await line.receive()).toMatchObject({ kind: 'refused', code: 'frame-too-large' })
    await expect.poll(() => lastRefused(device)).toMatchObject({ facts: { reason: 'frame-too-large' } })
    await stillServes('after-oversized')
  })

  test('a request before the greeting is out of order', async () => {
    await using device = await newcomer()
    const line = await rawLine(device, await ca.oneInvite())
    await line.send({
      kind: 'request',
      csr: new Uint8Array(1),
      user: 'hasty',
      password: PASSWORD,
      door: { kind: 'token', token: new Uint8Array(16) },
      addresses: [],
    })
    expect(await line.receive()).toMatchObject({ kind: 'refused', code: 'wrong-order' })
    await stillServes('after-hasty')
  })

  test('a stream on which nothing is said is ended', async () => {
    await using device = await newcomer()
    const line = await rawLine(device, await ca.oneInvite())
    expect(await line.receive()).toMatchObject({ kind: 'refused', code: 'silent' })
    await stillServes('after-silence')
  })

  test('a connection on which no stream is opened is ended', async () => {
    await using device = await newcomer()
    const connection = await device.node.dial(ca.addresses.map((address) => `${address}/p2p/${ca.peerId}`))
    await expect.poll(() => connection.status).not.toBe('open')
    expect(lastRefused(device)).toMatchObject({ event: 'silent' })
    await stillServes('after-idle')
  })

  test('a newcomer who vanishes in the middle', async () => {
    const device = await newcomer()
    const line = await rawLine(device, await ca.oneInvite())
    await line.send({ kind: 'begin' })
    await line.receive()
    await device.node.stop()
    await stillServes('after-vanishing')
  })
})

describe('the newcomer', () => {
  const clock = manualClock()
  const network = testNetwork({ clock, name: 'honest' })
  const pin = sha256(network.anchor.spki)

  type Script = (said: NewcomerMessage) => CaMessage | null

  /** Somebody at the CA's address, who says what the test makes them say. */
  const impostor = async (script: Script, key = newKey()) => {
    const node = await createNode({ key, listen: ['/ip4/127.0.0.1/tcp/0'] })
    const heard: NewcomerMessage[] = []
    await node.handle(enrolmentProtocol(network.network), async (stream) => {
      const line = openChannel(stream, { incoming: newcomerCodec, outgoing: caCodec }, { maxFrameBytes: 2 ** 20 })
      for (let said = await line.receive(); !isRefusal(said); said = await line.receive()) {
        heard.push(said)
        const reply = script(said)
        if (reply !== null) await line.send(reply)
      }
    })
    const addresses = node.addresses().map((address) => address.replace(/\/p2p\/.*/, ''))
    const invite: Invite = {
      pin,
      caPeerId: node.peerId,
      addresses,
      token: new Uint8Array(16).fill(3),
      expires: clock.now() + 1000,
      networkName: 'honest',
    }
    return { node, heard, invite, [Symbol.asyncDispose]: () => node.stop() }
  }

  const heardAfterwards = async (heard: readonly NewcomerMessage[], code: string): Promise<void> => {
    await expect.poll(() => heard.at(-1)).toEqual({ kind: 'refused', code })
    expect(heard.map(({ kind }) => kind)).toEqual(['begin', 'refused'])
    expect(JSON.stringify(heard)).not.toContain(PASSWORD)
  }

  test('tells nothing to who shows another root than the invite names', async () => {
    const other = testNetwork({ clock, name: 'honest' })
    const key = newKey()
    await using fake = await impostor(
      () => ({ kind: 'identity', root: other.root, successions: [], ca: other.issueCa(key) }),
      key,
    )
    await using device = await newcomer()
    const outcome = await enrolAs(device, clock, { user: 'alice', invite: fake.invite })
    expect(outcome).toMatchObject({ code: 'pin-mismatch', by: 'here' })
    await heardAfterwards(fake.heard, 'pin-mismatch')
  })

  test.each<[string, () => Uint8Array]>([
    ["another's CA certificate", () => network.issueCa(newKey())],
    ["a device's certificate", () => network.issue({ user: 'mallory' })],
    ['no certificate at all', () => new Uint8Array(10)],
  ])('tells nothing to who shows the right root, and %s', async (_what, certificate) => {
    await using fake = await impostor(() => ({
      kind: 'identity',
      root: network.root,
      successions: [],
      ca: certificate(),
    }))
    await using device = await newcomer()
    const outcome = await enrolAs(device, clock, { user: 'alice', invite: fake.invite })
    expect(outcome).toMatchObject({ code: 'ca-unproven', by: 'here' })
    await heardAfterwards(fake.heard, 'ca-unproven')
  })

  test('tells nothing to another peer at the address of the CA', async () => {
    await using fake = await impostor(() => null)
    await using device = await newcomer()
    const invite = { ...fake.invite, caPeerId: device.node.peerId }
    await using third = await newcomer()
    expect(await enrolAs(third, clock, { user: 'alice', invite })).toMatchObject({ code: 'ca-unproven' })
    expect(fake.heard).toEqual([])
  })

  test('tells nothing to the CA of another network', async () => {
    await using device = await newcomer()
    const invite = { ...(await ca.oneInvite()), pin }
    expect(await enrolAs(device, clock, { user: 'alice', invite })).toMatchObject({ code: 'ca-unproven' })
  })

  type Twist = (honest: ChallengeContext) => Partial<ChallengeContext>
  type Lies = { readonly twist?: Twist; readonly label?: string; readonly certificate?: () => Uint8Array }

  /** A CA that proves itself, and then goes wrong. */
  const lyingCa = (device: Newcomer, { twist, label = CHALLENGE_LABEL, certificate }: Lies) => {
    const key = newKey()
    const proof = network.issueCa(key)
    return impostor((said) => {
      switch (said.kind) {
        case 'begin':
          return { kind: 'identity', root: network.root, successions: [], ca: proof }
        case 'request': {
          const honest = {
            nonce: new Uint8Array(32).fill(1),
            csr: sha256(said.csr),
            newcomer: multihashOf(device.node.peerId),
            ca: multihashOf(peerIdOfSpki(spkiOf(key))),
            expiry: clock.now() + 1000,
          }
          const context = challengeCodec.encode({ ...honest, ...twist?.(honest) })
          const ciphertext = sealTo(orThrow(readRequest(said.csr)).publicKey, context, label)
          return { kind: 'challenge', id: new Uint8Array(16), ciphertext }
        }
        case 'answer':
          return { kind: 'issued', certificate: certificate?.() ?? new Uint8Array(), crl: null, directory: [] }
        case 'password':
        case 'refused':
          return null
      }
    }, key)
  }

  test.each<[string, Twist, string?]>([
    ['another request', () => ({ csr: new Uint8Array(32) })],
    ['another newcomer', ({ ca: other }) => ({ newcomer: other })],
    ['another CA', ({ newcomer: other }) => ({ ca: other })],
    ['another purpose', () => ({}), 'lanyard store key 1'],
  ])('answers no challenge that was made for %s', async (_what, twist, label) => {
    await using device = await newcomer()
    await using fake = await lyingCa(device, { twist, ...(label === undefined ? {} : { label }) })
    const outcome = await enrolAs(device, clock, { user: 'alice', invite: fake.invite })
    expect(outcome).toMatchObject({ code: 'challenge-foreign', by: 'here' })
    await expect.poll(() => fake.heard.at(-1)).toEqual({ kind: 'refused', code: 'challenge-foreign' })
    expect(fake.heard.map(({ kind }) => kind)).toEqual(['begin', 'request', 'refused'])
  })

  test.each<[string, string, (device: Newcomer) => Uint8Array]>([
    ['for another key', 'certificate-wrong-key', () => network.issue({ user: 'alice' })],
    [
      'from another root',
      'certificate-wrong-root',
      ({ key }) => testNetwork({ clock, name: 'elsewhere' }).issue({ user: 'alice', key }),
    ],
    ['in another name', 'certificate-wrong-profile', ({ key }) => network.issue({ user: 'bob', key })],
    ['that is none', 'certificate-malformed', () => new Uint8Array(9)],
  ])('keeps no certificate %s', async (_what, code, certificate) => {
    await using device = await newcomer()
    await using fake = await lyingCa(device, { certificate: () => certificate(device) })
    expect(await enrolAs(device, clock, { user: 'alice', invite: fake.invite })).toMatchObject({ code, by: 'here' })
  })

  test('says so when nobody is at the address', async () => {
    await using device = await newcomer()
    const invite = { ...(await ca.oneInvite()), addresses: ['/ip4/127.0.0.1/tcp/1'] }
    expect(await enrolAs(device, clock, { user: 'alice', invite })).toMatchObject({ code: 'unreachable' })
  })

  test('stops when it is told to', async () => {
    await using device = await newcomer()
    await using mute = await impostor(() => null)
    const stop = new AbortController()
    const outcome = enrolAs(device, clock, { user: 'alice', invite: mute.invite, signal: stop.signal })
    await expect.poll(() => mute.heard.length).toBe(1)
    stop.abort()
    expect(await outcome).toMatchObject({ code: 'stream-closed' })
  })
})
