import { createHash, hash } from 'node:crypto'
import { toString as toText } from 'uint8arrays/to-string'

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** `base32(SHA-256(root SPKI))`, 52 lower-case characters: everybody under one root certificate. */
export type NetworkId = Brand<string, 'NetworkId'>
/** A libp2p PeerId in its base58 text form; it names a device. */
export type PeerId = Brand<string, 'PeerId'>
/** 1–32 characters of `[a-z0-9._-]`. */
export type UserName = Brand<string, 'UserName'>
/** 64 lower-case hex characters: SHA-256. */
export type RoomId = Brand<string, 'RoomId'>
/** 64 lower-case hex characters: SHA-256 of a record's header bytes. */
export type RecordHash = Brand<string, 'RecordHash'>
/** 64 lower-case hex characters: SHA-256 of a certificate's DER bytes. */
export type CertificateHash = Brand<string, 'CertificateHash'>
/** 16 lower-case hex characters, random: one life of a device's store; a restored backup starts a new one. */
export type Incarnation = Brand<string, 'Incarnation'>
/** The number of a sender key, 0, 1, 2 … within one incarnation. */
export type Epoch = Brand<number, 'Epoch'>

/** SHA-256 (FIPS 180-4) over the parts, one after the other: 32 bytes. */
export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const [only, ...more] = parts
  // The one-shot spares a hash object, and hex the making of a buffer, which takes longer than the hash: a message is hashed
  // several times, by its writer and by each reader.
  if (only !== undefined && more.length === 0) return fromHex(hash('sha256', only, 'hex'))
  const hashing = createHash('sha256')
  for (const part of parts) hashing.update(part)
  return new Uint8Array(hashing.digest())
}
const sha256Hex = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex')

/** Lower-case hex; the bytes are not copied first. */
export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
/** The bytes of hex that is known to be whole; of anything else, as many as can be read. */
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))

/** The first characters of the network id that protocol ids, the mDNS service tag and gossip topics carry. */
const PREFIX_LENGTH = 10

/** @param rootSpki the root certificate's SubjectPublicKeyInfo, DER (RFC 5280 §4.1) */
export const networkIdOf = (rootSpki: Uint8Array): NetworkId => networkIdOfPin(sha256(rootSpki))
/** @param pin SHA-256 of the root's SubjectPublicKeyInfo, as an invite carries it */
export const networkIdOfPin = (pin: Uint8Array): NetworkId => toText(pin, 'base32') as NetworkId
/** The first 10 characters of the network id. */
export const networkPrefix = (network: NetworkId): string => network.slice(0, PREFIX_LENGTH)

/** @param der the whole certificate, DER */
export const certificateHashOf = (der: Uint8Array): CertificateHash => sha256Hex(der) as CertificateHash
/** @param header the bytes as sent, not an encoding made anew */
export const recordHashOf = (header: Uint8Array): RecordHash => sha256Hex(header) as RecordHash
/** SHA-256 of `lanyard room 1`, the network id and the name (UTF-8), parted by zero bytes. */
export const roomIdOf = (network: NetworkId, name: string): RoomId =>
  toHex(sha256(new TextEncoder().encode(`lanyard room 1\0${network}\0${name}`))) as RoomId

/** SHA-256 of `lanyard founded room 1`, the network id, and the body of the `room` record, parted by zero bytes. */
export const foundedRoomIdOf = (network: NetworkId, body: Uint8Array): RoomId =>
  toHex(sha256(new TextEncoder().encode(`lanyard founded room 1\0${network}\0`), body)) as RoomId
/** The room of two users: SHA-256 of `lanyard direct room 1`, the network id and both names in order, parted by zero bytes. */
export const directRoomIdOf = (network: NetworkId, a: UserName, b: UserName): RoomId =>
  toHex(sha256(new TextEncoder().encode(`lanyard direct room 1\0${network}\0${[a, b].sort().join('\0')}`))) as RoomId

// Each mints its id from bytes whose length a codec has checked.
/** @param bytes 32, as a message carries them */
export const toRoomId = (bytes: Uint8Array): RoomId => toHex(bytes) as RoomId
/** @param bytes 32, as a message carries them */
export const toRecordHash = (bytes: Uint8Array): RecordHash => toHex(bytes) as RecordHash
/** @param bytes 32, as a header carries them */
export const toCertificateHash = (bytes: Uint8Array): CertificateHash => toHex(bytes) as CertificateHash
/** @param bytes 8, as a header carries them */
export const toIncarnation = (bytes: Uint8Array): Incarnation => toHex(bytes) as Incarnation
/** @param number 0, 1, 2 … */
export const toEpoch = (number: number): Epoch => number as Epoch
