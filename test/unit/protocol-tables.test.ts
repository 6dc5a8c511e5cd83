import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Manifest, manifestBytes, type WrittenTree } from '../../peer/files/manifest.ts'
import type { Succession } from '../../shared/certificate/lineage.ts'
import { type Codec, codec } from '../../shared/codec.ts'
import { isRefusal } from '../../shared/errors.ts'
import * as limits from '../../shared/limits.ts'
import {
  type DeviceBody,
  deviceBodyCodec,
  type MessageContent,
  messageContentCodec,
  type SenderKeyBody,
  senderKeyBodyCodec,
} from '../../shared/wire/bodies.ts'
import { type BulkReply, type BulkRequest, bulkReplyCodec, bulkRequestCodec } from '../../shared/wire/bulk.ts'
import { type ChallengeContext, challengeCodec } from '../../shared/wire/challenge.ts'
import {
  type CaMessage,
  caCodec,
  type DirectoryEntry,
  type Door,
  type NewcomerMessage,
  newcomerCodec,
} from '../../shared/wire/enrolment.ts'
import { type FileReply, type FileRequest, fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import { type HelloMessage, helloCodec } from '../../shared/wire/hello.ts'
import { type KeysReply, type KeysRequest, keysReplyCodec, keysRequestCodec } from '../../shared/wire/keys.ts'
import { type LiveMessage, liveCodec } from '../../shared/wire/live.ts'
import {
  emptyBodyCodec,
  type GrantBody,
  grantBodyCodec,
  type InviteBody,
  inviteBodyCodec,
  type RemoveBody,
  type RoomBody,
  removeBodyCodec,
  roomBodyCodec,
  type SettingsBody,
  settingsBodyCodec,
} from '../../shared/wire/membership.ts'
import { type ReceiptBody, receiptBodyCodec } from '../../shared/wire/receipt.ts'
import { headerCodec, type RecordHeader, recordCodec, type WireRecord } from '../../shared/wire/record.ts'
import { type RevocationMessage, revocationCodec } from '../../shared/wire/revocation.ts'
import {
  type Head,
  type LogPoint,
  type RoomDigest,
  type SyncReply,
  type SyncRequest,
  syncReplyCodec,
  syncRequestCodec,
} from '../../shared/wire/sync.ts'
import {
  type ReceiptStatement,
  receiptStatementCodec,
  type TranscriptItem,
  type TranscriptLog,
  transcriptItemCodec,
} from '../../shared/wire/transcript.ts'
import { isCode, WORDS } from '../../shared/words.ts'
import { samplesOf } from '../support/protocol-samples.ts'
import { readProtocolText } from '../support/protocol-text.ts'

const text = readProtocolText()

/** The names of all fields of a type, which the compiler checks: one more or one fewer there, and this file is wrong. */
const of = <T>(names: Record<keyof T, 1>): readonly string[] => Object.keys(names)
type Tables<Kinds extends string> = Record<Kinds, readonly string[]>
type Item<T> = T extends readonly (infer Element)[] ? Element : never
type Of<Message extends { readonly kind: string }, Kind> = Extract<Message, { readonly kind: Kind }>

const FIELDS = {
  enrol: {
    begin: of<Of<NewcomerMessage, 'begin'>>({ kind: 1 }),
    request: of<Of<NewcomerMessage, 'request'>>({ kind: 1, csr: 1, user: 1, password: 1, door: 1, addresses: 1 }),
    token: of<Of<Door, 'token'>>({ kind: 1, token: 1 }),
    register: of<Of<Door, 'register'>>({ kind: 1 }),
    login: of<Of<Door, 'login'>>({ kind: 1 }),
    renew: of<Of<Door, 'renew'>>({ kind: 1, certificate: 1 }),
    rekey: of<Of<Door, 'rekey'>>({ kind: 1, certificate: 1, proof: 1 }),
    password: of<Of<NewcomerMessage, 'password'>>({ kind: 1, user: 1, password: 1, newPassword: 1 }),
    answer: of<Of<NewcomerMessage, 'answer'>>({ kind: 1, id: 1, nonce: 1 }),
    identity: of<Of<CaMessage, 'identity'>>({ kind: 1, root: 1, successions: 1, ca: 1 }),
    challenge: of<Of<CaMessage, 'challenge'>>({ kind: 1, id: 1, ciphertext: 1 }),
    issued: of<Of<CaMessage, 'issued'>>({ kind: 1, certificate: 1, crl: 1, directory: 1 }),
    changed: of<Of<CaMessage, 'changed'>>({ kind: 1 }),
    entry: of<DirectoryEntry>({ certificate: 1, addresses: 1 }),
    refused: of<Of<CaMessage, 'refused'>>({ kind: 1, code: 1 }),
  } satisfies Tables<NewcomerMessage['kind'] | CaMessage['kind'] | Door['kind'] | 'entry'>,
  challenge: { context: of<ChallengeContext>({ nonce: 1, csr: 1, newcomer: 1, ca: 1, expiry: 1 }) },
  hello: {
    hello: of<Of<HelloMessage, 'hello'>>({
      kind: 1,
      version: 1,
      network: 1,
      certificate: 1,
      crl: 1,
      device: 1,
      addresses: 1,
      succession: 1,
    }),
    admitted: of<Of<HelloMessage, 'admitted'>>({ kind: 1 }),
    refused: of<Of<HelloMessage, 'refused'>>({ kind: 1, code: 1 }),
  } satisfies Tables<HelloMessage['kind']>,
  revocation: {
    have: of<Of<RevocationMessage, 'have'>>({ kind: 1, number: 1, root: 1 }),
    succession: of<Of<RevocationMessage, 'succession'>>({ kind: 1, succession: 1 }),
    piece: of<Of<RevocationMessage, 'piece'>>({ kind: 1, der: 1 }),
    end: of<Of<RevocationMessage, 'end'>>({ kind: 1 }),
  } satisfies Tables<RevocationMessage['kind']>,
  root: { succession: of<Succession>({ root: 1, cross: 1, back: 1 }) },
  record: {
    record: of<WireRecord>({ header: 1, signature: 1, proof: 1, body: 1 }),
    header: of<RecordHeader>({
      v: 1,
      room: 1,
      author: 1,
      inc: 1,
      seq: 1,
      prev: 1,
      after: 1,
      time: 1,
      kind: 1,
      body: 1,
      key: 1,
    }),
    key: of<NonNullable<RecordHeader['key']>>({ epoch: 1, index: 1, commitment: 1 }),
    proof: of<WireRecord['proof']>({ index: 1, size: 1, path: 1 }),
  },
  body: {
    room: of<RoomBody>({ nonce: 1, creator: 1, name: 1, access: 1, history: 1 }),
    invite: of<InviteBody>({ user: 1 }),
    remove: of<RemoveBody>({ user: 1, heads: 1 }),
    head: of<Item<RemoveBody['heads']>>({ device: 1, inc: 1, seq: 1 }),
    grant: of<GrantBody>({ user: 1, admin: 1 }),
    settings: of<SettingsBody>({ name: 1, topic: 1, keepMs: 1, keepMessages: 1 }),
    device: of<DeviceBody>({ certificate: 1, prekey: 1 }),
    prekey: of<DeviceBody['prekey']>({ id: 1, suite: 1, publicKey: 1, created: 1 }),
    'sender-key': of<SenderKeyBody>({ epoch: 1, members: 1, commitment: 1, boxes: 1 }),
    box: of<Item<SenderKeyBody['boxes']>>({ to: 1, prekey: 1, box: 1 }),
    receipt: of<ReceiptBody>({ held: 1, read: 1 }),
    held: of<Item<ReceiptBody['held']>>({ device: 1, inc: 1, seq: 1, hash: 1 }),
    read: of<Item<ReceiptBody['read']>>({ device: 1, inc: 1, seq: 1 }),
  },
  content: {
    text: of<Of<MessageContent, 'text'>>({ kind: 1, text: 1, reply: 1 }),
    edit: of<Of<MessageContent, 'edit'>>({ kind: 1, of: 1, text: 1 }),
    delete: of<Of<MessageContent, 'delete'>>({ kind: 1, of: 1 }),
    reaction: of<Of<MessageContent, 'reaction'>>({ kind: 1, of: 1, emoji: 1, on: 1 }),
    file: of<Of<MessageContent, 'file'>>({ kind: 1, name: 1, size: 1, type: 1, files: 1, key: 1, manifest: 1 }),
  } satisfies Tables<MessageContent['kind']>,
  sync: {
    ask: of<Of<SyncRequest, 'rooms'>>({ kind: 1, open: 1 }),
    rooms: of<Of<SyncReply, 'rooms'>>({ kind: 1, rooms: 1, open: 1, openDigest: 1 }),
    digest: of<RoomDigest>({ room: 1, digest: 1, open: 1 }),
    heads: of<Of<SyncRequest, 'heads'>>({ kind: 1, room: 1, heads: 1, left: 1, keys: 1 }),
    head: of<Head>({ device: 1, inc: 1, seq: 1, hash: 1, fork: 1 }),
    records: of<Of<SyncReply, 'records'>>({ kind: 1, records: 1, keys: 1 }),
    done: of<Of<SyncReply, 'done'>>({ kind: 1, heads: 1, left: 1 }),
    refused: of<Of<SyncReply, 'refused'>>({ kind: 1, code: 1 }),
  } satisfies Tables<SyncRequest['kind'] | SyncReply['kind'] | 'ask' | 'digest' | 'head'>,
  live: {
    presence: of<Of<LiveMessage, 'presence'>>({ kind: 1, state: 1 }),
    typing: of<Of<LiveMessage, 'typing'>>({ kind: 1, room: 1 }),
    changed: of<Of<LiveMessage, 'changed'>>({ kind: 1, room: 1 }),
    held: of<Of<LiveMessage, 'held'>>({ kind: 1, room: 1, heads: 1 }),
    head: of<LogPoint>({ device: 1, inc: 1, seq: 1 }),
  } satisfies Tables<LiveMessage['kind'] | 'head'>,
  keys: {
    want: of<KeysRequest>({ kind: 1, room: 1, records: 1, bare: 1 }),
    keys: of<Of<KeysReply, 'keys'>>({ kind: 1, keys: 1 }),
    entry: of<Item<Of<KeysReply, 'keys'>['keys']>>({ record: 1, key: 1, body: 1 }),
    refused: of<Of<KeysReply, 'refused'>>({ kind: 1, code: 1 }),
  } satisfies Tables<KeysRequest['kind'] | KeysReply['kind'] | 'entry'>,
  transcript: {
    transcript: of<Of<TranscriptItem, 'transcript'>>({
      ...{ kind: 1, v: 1, network: 1, room: 1, name: 1, made: 1, what: 1, from: 1, to: 1 },
    }),
    roots: of<Of<TranscriptItem, 'roots'>>({ kind: 1, first: 1, successions: 1 }),
    list: of<Of<TranscriptItem, 'list'>>({ kind: 1, der: 1 }),
    certificate: of<Of<TranscriptItem, 'certificate'>>({ kind: 1, der: 1 }),
    record: of<Of<TranscriptItem, 'record'>>({ kind: 1, record: 1, key: 1 }),
    aside: of<Of<TranscriptItem, 'aside'>>({ kind: 1, record: 1 }),
    receipt: of<Of<TranscriptItem, 'receipt'>>({ kind: 1, statement: 1, signature: 1 }),
    statement: of<ReceiptStatement>({
      ...{ v: 1, room: 1, author: 1, made: 1, crl: 1, heads: 1, records: 1, root: 1, file: 1 },
    }),
    log: of<TranscriptLog>({ device: 1, inc: 1, first: 1, prev: 1, seq: 1, hash: 1 }),
  } satisfies Tables<TranscriptItem['kind'] | 'statement' | 'log'>,
  file: {
    manifest: of<Manifest>({ size: 1, chunkBytes: 1, hashes: 1, tree: 1 }),
    tree: of<WrittenTree>({ paths: 1, sizes: 1, folders: 1 }),
    want: of<Of<FileRequest, 'want'>>({ kind: 1, record: 1, known: 1 }),
    chunk: of<Of<FileRequest, 'chunk'>>({ kind: 1, index: 1 }),
    whole: of<Of<FileRequest, 'whole'>>({ kind: 1 }),
    held: of<Of<FileReply, 'held'>>({ kind: 1, manifest: 1, chunks: 1, seat: 1 }),
    have: of<Of<FileReply, 'have'>>({ kind: 1, chunks: 1 }),
    given: of<Of<FileReply, 'given'>>({ kind: 1, chunks: 1 }),
    sealed: of<Of<FileReply, 'sealed'>>({ kind: 1, index: 1, tag: 1 }),
    refused: of<Of<FileReply, 'refused'>>({ kind: 1, code: 1 }),
  } satisfies Tables<FileRequest['kind'] | FileReply['kind'] | 'manifest' | 'tree'>,
  bulk: {
    ask: of<Of<BulkRequest, 'ask'>>({ kind: 1, address: 1 }),
    enter: of<Of<BulkRequest, 'enter'>>({ kind: 1, ticket: 1 }),
    door: of<Of<BulkReply, 'door'>>({ kind: 1, port: 1, door: 1, ticket: 1 }),
    open: of<Of<BulkReply, 'open'>>({ kind: 1 }),
    refused: of<Of<BulkReply, 'refused'>>({ kind: 1, code: 1 }),
  } satisfies Tables<BulkRequest['kind'] | BulkReply['kind']>,
}
const CONVERSATIONS: Readonly<Record<string, readonly Codec<unknown>[]>> = {
  'enrolment, newcomer → CA': [newcomerCodec],
  'enrolment, CA → newcomer': [caCodec],
  hello: [helloCodec],
  revocation: [revocationCodec],
  'sync, requests': [syncRequestCodec],
  'sync, replies': [syncReplyCodec],
  keys: [keysRequestCodec, keysReplyCodec],
  live: [liveCodec],
  'file, requests': [fileRequestCodec],
  'file, replies': [fileReplyCodec],
  'bulk, requests': [bulkRequestCodec],
  'bulk, replies': [bulkReplyCodec],
}
const names = Object.entries(FIELDS).flatMap(([group, tables]) =>
  Object.entries(tables).map(([name, fields]) => [`${group}.${name}`, fields] as const),
)

/** Who reads which messages. The tables that are not here stand inside others, and are read with them. */
const READERS: Readonly<Record<string, Codec<unknown>>> = {
  'enrol.begin': newcomerCodec,
  'enrol.request': newcomerCodec,
  'enrol.password': newcomerCodec,
  'enrol.answer': newcomerCodec,
  'enrol.identity': caCodec,
  'enrol.challenge': caCodec,
  'enrol.issued': caCodec,
  'enrol.changed': caCodec,
  'enrol.refused': caCodec,
  'challenge.context': challengeCodec,
  'hello.hello': helloCodec,
  'hello.admitted': helloCodec,
  'hello.refused': helloCodec,
  'revocation.have': revocationCodec,
  'revocation.succession': revocationCodec,
  'revocation.piece': revocationCodec,
  'revocation.end': revocationCodec,
  'record.record': recordCodec,
  'record.header': headerCodec,
  'body.device': deviceBodyCodec,
  'body.sender-key': senderKeyBodyCodec,
  'body.room': roomBodyCodec,
  'body.invite': inviteBodyCodec,
  'body.remove': removeBodyCodec,
  'body.grant': grantBodyCodec,
  'body.settings': settingsBodyCodec,
  'body.receipt': receiptBodyCodec,
  'content.text': messageContentCodec,
  'content.file': messageContentCodec,
  'content.edit': messageContentCodec,
  'content.delete': messageContentCodec,
  'content.reaction': messageContentCodec,
  'sync.ask': syncRequestCodec,
  'sync.heads': syncRequestCodec,
  'sync.rooms': syncReplyCodec,
  'sync.records': syncReplyCodec,
  'sync.done': syncReplyCodec,
  'sync.refused': syncReplyCodec,
  'live.presence': liveCodec,
  'live.typing': liveCodec,
  'live.changed': liveCodec,
  'live.held': liveCodec,
  'keys.want': keysRequestCodec,
  'keys.keys': keysReplyCodec,
  'keys.refused': keysReplyCodec,
  'transcript.transcript': transcriptItemCodec,
  'transcript.roots': transcriptItemCodec,
  'transcript.list': transcriptItemCodec,
  'transcript.certificate': transcriptItemCodec,
  'transcript.record': transcriptItemCodec,
  'transcript.aside': transcriptItemCodec,
  'transcript.receipt': transcriptItemCodec,
  'transcript.statement': receiptStatementCodec,
  'file.want': fileRequestCodec,
  'file.chunk': fileRequestCodec,
  'file.whole': fileRequestCodec,
  'file.held': fileReplyCodec,
  'file.have': fileReplyCodec,
  'file.given': fileReplyCodec,
  'file.sealed': fileReplyCodec,
  'file.refused': fileReplyCodec,
  'bulk.ask': bulkRequestCodec,
  'bulk.enter': bulkRequestCodec,
  'bulk.door': bulkReplyCodec,
  'bulk.open': bulkReplyCodec,
  'bulk.refused': bulkReplyCodec,
}

describe('the protocol text', () => {
  test('has a field table for every message, and for no other', () => {
    expect([...text.tables.keys()].sort()).toEqual(names.map(([name]) => name).sort())
  })

  test.each(names)('names the fields of %s', (name, fields) => {
    expect(
      text.tables
        .get(name)
        ?.map((field) => field.name)
        .sort(),
    ).toEqual([...fields].sort())
  })

  test.each(Object.entries(READERS))('describes %s as our reader takes it', (name, reader) => {
    const { good, extreme, bad } = samplesOf(`\`${name}\``, text.tables)
    expect(reader.decode(reader.encode(good))).toEqual(good)
    for (const value of extreme) {
      const read = reader.decode(reader.encode(value))
      // Several fields at their largest need not fit into one message.
      if (!isRefusal(read) || read.code !== 'frame-too-large') expect(read).toEqual(value)
    }
    for (const value of bad) expect(reader.decode(reader.encode(value))).toMatchObject({ kind: 'refusal' })
  })

  test.each(Object.entries(CONVERSATIONS))('tells the largest message: %s', (name, readers) => {
    const most = text.messageBytes.get(name) ?? 0
    for (const reader of readers) {
      expect(reader.decode(new Uint8Array(most))).toMatchObject({ code: 'frame-malformed' })
      expect(reader.decode(new Uint8Array(most + 1))).toMatchObject({ code: 'frame-too-large' })
    }
  })

  test('gives joins and leaves an empty body', () => {
    expect(emptyBodyCodec.decode(emptyBodyCodec.encode({}))).toEqual({})
    expect(inviteBodyCodec.encode({ user: 'x' })).toSatisfy((bytes: Uint8Array) =>
      isRefusal(emptyBodyCodec.decode(bytes)),
    )
  })

  test('names the fields of a manifest', () => {
    const anyMap = codec(z.record(z.string(), z.unknown()), limits.KIB)
    const manifest = {
      size: 0,
      chunkBytes: limits.CHUNK_BYTES,
      hashes: new Uint8Array(0),
      tree: { files: [], folders: [] },
    }
    const read = anyMap.decode(manifestBytes(manifest))
    expect(Object.keys(read).sort()).toEqual([...FIELDS.file.manifest].sort())
  })

  test('tells the limits as they are', () => {
    expect(text.limits.size).toBeGreaterThan(40)
    const ours: Readonly<Record<string, unknown>> = limits
    for (const [name, value] of text.limits) expect({ [name]: value }).toEqual({ [name]: ours[name] })
  })

  test('speaks of refusals that there are', () => {
    const real = text.codes.filter((code) => !code.endsWith('-…'))
    expect(real.length).toBeGreaterThan(60)
    expect(real.filter((code) => !isCode(code))).toEqual([])
  })

  test('tells of every refusal in what peers say to each other', () => {
    const spoken = /^(frame|certificate|request|token|challenge|record|key|box|prekey|file|road)-/
    expect(Object.keys(WORDS).filter((code) => spoken.test(code) && !text.mentions.has(code))).toEqual([])
  })
})
