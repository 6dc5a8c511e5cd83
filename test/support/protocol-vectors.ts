import { createHmac, createPrivateKey, createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { sealChunk } from '../../peer/files/chunk.ts'
import { manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { type BoxContext, infoOf } from '../../peer/group/boxes.ts'
import { prekeyIdOf } from '../../peer/group/prekeys.ts'
import { commitmentOf, messageCommitmentOf, sealMessage, startChain, stepChain } from '../../peer/group/sender-key.ts'
import { topicOf } from '../../peer/log/gossip.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { createRoot, issueCa, issueDevice, keyIdOf } from '../../shared/certificate/profile.ts'
import { createRequest } from '../../shared/certificate/request.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { bytes, codec, count } from '../../shared/codec.ts'
import { orThrow } from '../../shared/errors.ts'
import {
  certificateHashOf,
  fromHex,
  networkIdOf,
  recordHashOf,
  roomIdOf,
  sha256,
  toEpoch,
  toHex,
  toIncarnation,
} from '../../shared/ids.ts'
import { formatInvite } from '../../shared/invite.ts'
import { CHUNK_BYTES, HOUR_MS } from '../../shared/limits.ts'
import { merkleTree } from '../../shared/merkle.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { networkCode } from '../../shared/network-code.ts'
import type { Random } from '../../shared/random.ts'
import { deviceBodyCodec, messageContentCodec, senderKeyBodyCodec } from '../../shared/wire/bodies.ts'
import { challengeCodec, multihashOf } from '../../shared/wire/challenge.ts'
import { helloCodec, helloProtocol } from '../../shared/wire/hello.ts'
import { serviceTag } from '../../shared/wire/protocol.ts'
import { headerCodec, RECORD_SIGNATURE_LABEL, type RecordHeader, recordCodec } from '../../shared/wire/record.ts'
import { user } from './certificates.ts'

/** 1 January 2026, 00:00 UTC. */
export const NOW = Date.UTC(2026, 0, 1)

// Bob's key pair is that of RFC 7748 §6.1. The secret of Alice's prekey is of no use here.
const ALICE_PREKEY = fromHex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
const BOB_PREKEY = fromHex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
const BOB_SECRET = fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb')
const INCARNATION = fromHex('0102030405060708')

/** What is given, and cannot be computed: keys, and what is made with fresh randomness each time. */
export type Given = {
  readonly pems: Readonly<Record<string, string>>
  /** Hex: an HPKE box of `sender-secret` to Bob's prekey. */
  readonly box: string
  /** Hex: Alice's signature of `statement`. */
  readonly signature: string
}

/** The certificates and all that stands in the vectors of PROTOCOL.md, made by our own code. */
export const computeVectors = (given: Given) => {
  const rootKey = createPrivateKey(given.pems['root.key.pem'] ?? '')
  const aliceKey = createPrivateKey(given.pems['alice.key.pem'] ?? '')
  const [rootSpki, aliceSpki] = [spkiOf(rootKey), spkiOf(aliceKey)]
  const [caSpki, bobSpki] = ['ca.pub.pem', 'bob.pub.pem'].map((name) => spkiOf(createPublicKey(given.pems[name] ?? '')))
  if (caSpki === undefined || bobSpki === undefined) throw new Error('two public keys')
  const network = networkIdOf(rootSpki)
  const [alice, bob, ca] = [peerIdOfSpki(aliceSpki), peerIdOfSpki(bobSpki), peerIdOfSpki(caSpki)]
  const pin = sha256(rootSpki)

  const root = createRoot({ key: rootKey, networkName: 'test', now: NOW, random: always(filled(16, 0x11)) })
  const order = { issuer: { certificate: root, key: rootKey }, network, now: NOW }
  const caCertificate = issueCa({ ...order, spki: caSpki, random: always(filled(16, 0x22)) })
  const certificate = issueDevice({ ...order, user: user('alice'), spki: aliceSpki, random: always(filled(16, 0x33)) })
  const request = createRequest({ key: aliceKey, user: user('alice') })
  const token = filled(16, 0x44)
  const invite = formatInvite({
    pin,
    caPeerId: ca,
    addresses: ['/ip4/192.0.2.7/tcp/4100'],
    token,
    expires: NOW + 48 * HOUR_MS,
    networkName: 'test',
  })
  const nonce = filled(32, 0x55)
  const context = {
    nonce,
    csr: sha256(request),
    newcomer: multihashOf(alice),
    ca: multihashOf(ca),
    expiry: NOW + 60_000,
  }

  const general = roomIdOf(network, 'general')
  const directory = roomIdOf(network, '~directory')
  const secret = filled(32, 0x66)
  const sender = { room: general, author: alice, incarnation: toIncarnation(INCARNATION), epoch: toEpoch(0) }
  const chain = startChain(secret, sender)
  const { next, messageKey } = stepChain(chain)
  const plaintext = messageContentCodec.encode({ kind: 'text', text: 'hello, world' })
  const sealed = sealMessage(messageKey, plaintext, fromHex(general))
  const commitment = commitmentOf(secret, sender)
  const boxContext: BoxContext = { ...sender, network, recipient: bob, prekey: prekeyIdOf(BOB_PREKEY) }

  const deviceBody = deviceBodyCodec.encode({
    certificate,
    prekey: { id: prekeyIdOf(ALICE_PREKEY), suite: 1, publicKey: ALICE_PREKEY, created: NOW },
  })
  const members = sha256(new TextEncoder().encode(`${bob}\0`))
  const boxes = [{ to: bob, prekey: prekeyIdOf(BOB_PREKEY), box: fromHex(given.box) }]
  const senderKeyBody = senderKeyBodyCodec.encode({ epoch: 0, members, commitment, boxes })
  const author = fromHex(certificateHashOf(certificate))
  const start = { v: 1, author, inc: INCARNATION, seq: 0, prev: new Uint8Array(32), after: [] } as const
  const encodeHeader = (header: Omit<RecordHeader, 'body'>, body: Uint8Array): Uint8Array =>
    headerCodec.encode({ ...header, body: sha256(body) })
  const deviceHeader = encodeHeader({ ...start, room: fromHex(directory), time: [NOW, 0], kind: 'device' }, deviceBody)
  const keyHeader = encodeHeader(
    { ...start, room: fromHex(general), time: [NOW, 0], kind: 'sender-key' },
    senderKeyBody,
  )
  const messageHeader = encodeHeader(
    {
      ...start,
      room: fromHex(general),
      seq: 1,
      prev: sha256(keyHeader),
      time: [NOW, 1],
      kind: 'message',
      key: { epoch: 0, index: 0, commitment: messageCommitmentOf(messageKey) },
    },
    sealed,
  )
  const tree = merkleTree([deviceHeader, keyHeader, messageHeader].map((header) => sha256(header)))
  const proof = tree.proofs[2] ?? { index: 0, size: 0, path: [] }
  const statement = Buffer.concat([Buffer.from(RECORD_SIGNATURE_LABEL), tree.root])
  const record = recordCodec.encode({ header: messageHeader, signature: fromHex(given.signature), proof, body: sealed })

  const chunk = new TextEncoder().encode('lanyard\n')
  const hashes = Buffer.concat([sha256(new Uint8Array(CHUNK_BYTES)), sha256(chunk)])
  const manifest = { size: CHUNK_BYTES + chunk.byteLength, chunkBytes: CHUNK_BYTES, hashes: new Uint8Array(hashes) }
  const file = { key: filled(32, 0x77), manifest, manifestHash: manifestHash(manifest) }
  const sealedChunk = orThrow(sealChunk(file, 1, chunk))
  const admitted = helloCodec.encode({ kind: 'admitted' })

  return {
    network,
    secret,
    boxContext,
    root,
    caCertificate,
    certificate,
    request,
    record,
    pems: {
      'root.pem': toPem('CERTIFICATE', root),
      'ca.pem': toPem('CERTIFICATE', caCertificate),
      'alice.pem': toPem('CERTIFICATE', certificate),
      'request.pem': toPem('CERTIFICATE REQUEST', request),
    },
    vectors: {
      'root-pin': toHex(pin),
      'network-id': network,
      'network-code': networkCode(pin),
      'root-key-id': toHex(keyIdOf(rootSpki)),
      'alice-peer-id': alice,
      'alice-multihash': toHex(multihashOf(alice)),
      'bob-peer-id': bob,
      'ca-peer-id': ca,
      'alice-certificate-hash': certificateHashOf(certificate),
      invite,
      'hello-protocol': helloProtocol(network),
      'service-tag': serviceTag(network),
      'directory-room': directory,
      'general-room': general,
      'general-topic': topicOf(network, general),
      'frame-admitted': `${admitted.byteLength.toString(16).padStart(8, '0')}${toHex(admitted)}`,
      'challenge-nonce': toHex(nonce),
      'challenge-context': toHex(challengeCodec.encode(context)),
      incarnation: toHex(INCARNATION),
      'alice-prekey': toHex(ALICE_PREKEY),
      'alice-prekey-id': toHex(prekeyIdOf(ALICE_PREKEY)),
      'bob-prekey': toHex(BOB_PREKEY),
      'bob-prekey-secret': toHex(BOB_SECRET),
      'bob-prekey-id': toHex(prekeyIdOf(BOB_PREKEY)),
      'device-body-hash': toHex(sha256(deviceBody)),
      'device-header': toHex(deviceHeader),
      'device-hash': recordHashOf(deviceHeader),
      'sender-secret': toHex(secret),
      'sender-context': toHex(encodeContext([fromHex(general), alice, INCARNATION, 0])),
      commitment: toHex(commitment),
      'chain-key-0': toHex(chain.key),
      'message-key-0': toHex(messageKey),
      'chain-key-1': toHex(next.key),
      'message-commitment': toHex(messageCommitmentOf(messageKey)),
      'cipher-key': toHex(expand(messageKey, 'message cipher key')),
      nonce: toHex(expand(messageKey, 'message nonce').subarray(0, 12)),
      plaintext: toHex(plaintext),
      'message-body': toHex(sealed),
      'box-info': toHex(infoOf(boxContext)),
      members: toHex(members),
      'sender-key-body': toHex(senderKeyBody),
      'sender-key-header': toHex(keyHeader),
      'sender-key-hash': recordHashOf(keyHeader),
      'message-header': toHex(messageHeader),
      'message-hash': recordHashOf(messageHeader),
      'merkle-root': toHex(tree.root),
      statement: toHex(statement),
      'message-record': toHex(record),
      'file-key': toHex(file.key),
      chunk: toHex(chunk),
      manifest: toHex(manifestBytes(manifest)),
      'manifest-hash': toHex(file.manifestHash),
      'sealed-chunk': toHex(sealedChunk.ciphertext),
      'chunk-tag': toHex(sealedChunk.tag),
    },
  }
}

const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte)
const always = (bytes: Uint8Array): Random => ({ bytes: () => bytes })

// Derived here by the text's own words, and held against what our code seals and commits to.
const contextCodec = codec(z.tuple([bytes(32), z.string(), bytes(8), count()]), 1024)
const encodeContext = contextCodec.encode
const expand = (key: Uint8Array, name: string): Uint8Array =>
  new Uint8Array(createHmac('sha256', key).update(`lanyard ${name} 1`).update(Uint8Array.of(1)).digest())
