import { isIPv4, isIPv6 } from 'node:net'
import { toString as toText } from 'uint8arrays/to-string'
import { type Refusal, refuse } from './errors.ts'
import type { PeerId } from './ids.ts'
import {
  ADDRESS_MAX_CHARACTERS,
  ADDRESSES_MAX,
  INVITE_MAX_CHARACTERS,
  INVITE_TOKEN_BYTES,
  NETWORK_NAME_MAX,
  SECOND_MS,
} from './limits.ts'
import { parsePeerId } from './network/peer-id.ts'

/** What a newcomer needs to find the CA, to know it from an impostor, and to be let in. */
export type Invite = {
  /** SHA-256 of the root's SubjectPublicKeyInfo, 32 bytes. */
  readonly pin: Uint8Array
  readonly caPeerId: PeerId
  /** 1 to 16 multiaddrs of the CA, without its PeerId. */
  readonly addresses: readonly string[]
  /** 128 random bits, good for one device. */
  readonly token: Uint8Array
  /** Milliseconds since the Unix epoch; an invite keeps whole seconds. */
  readonly expires: number
  readonly networkName: string
}

const SCHEME = 'lanyard://join/1#'
const PIN_BYTES = 32

/** `lanyard://join/1#r=…&c=…&a=…&t=…&x=…&n=…`; all of it lies in the fragment, which no browser sends to a server. */
export const formatInvite = (invite: Invite): string =>
  SCHEME +
  [
    `r=${toText(invite.pin, 'base64url')}`,
    `c=${invite.caPeerId}`,
    ...invite.addresses.map((address) => `a=${address}`),
    `t=${toText(invite.token, 'base64url')}`,
    `x=${Math.floor(invite.expires / SECOND_MS)}`,
    `n=${encodeName(invite.networkName)}`,
  ].join('&')

/** The invite in a text that somebody has copied or scanned, or `invite-malformed`; never throws. */
export const parseInvite = (text: string): Invite | Refusal => {
  const whole = text.trim()
  if (whole.length > INVITE_MAX_CHARACTERS) return malformed(`over ${INVITE_MAX_CHARACTERS} characters`)
  if (!whole.startsWith(SCHEME)) return malformed(`it does not begin with ${SCHEME}`)
  const fields = readFields(whole.slice(SCHEME.length))
  if (fields === null) return malformed('a part is unknown, or comes twice')
  const { a: addresses = [], r = [], c = [], t = [], x = [], n = [] } = fields
  const pin = readBytes(r[0], PIN_BYTES)
  if (pin === null) return malformed('r is no pin')
  const caPeerId = c[0] === undefined ? null : readPeerId(c[0])
  if (caPeerId === null) return malformed('c is no PeerId')
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX) return malformed(`1 to ${ADDRESSES_MAX} addresses`)
  const strange = addresses.find((address) => !isTcpAddress(address))
  if (strange !== undefined) return malformed(`no address: ${strange}`)
  const token = readBytes(t[0], INVITE_TOKEN_BYTES)
  if (token === null) return malformed('t is no token')
  if (x[0] === undefined || !/^[1-9][0-9]{0,11}$/.test(x[0])) return malformed('x is no time')
  const networkName = n[0] === undefined ? null : readName(n[0])
  if (networkName === null) return malformed('n is no name')
  return { pin, caPeerId, addresses, token, expires: Number(x[0]) * SECOND_MS, networkName }
}

/** Whether a network may be called so: 1 to 64 characters, none of them a control character, no blank at either end. */
export const isNetworkName = (name: string): boolean =>
  name.length > 0 && name.length <= NETWORK_NAME_MAX && name.trim() === name && !/\p{C}/u.test(name)

/** Whoever pastes an invite into a shell puts it in quotes; no quote of ours may end them. */
const encodeName = (name: string): string =>
  encodeURIComponent(name).replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

const malformed = (detail: string): Refusal => refuse('invite-malformed', detail)

type Field = 'r' | 'c' | 'a' | 't' | 'x' | 'n'
const isField = (key: string): key is Field => key.length === 1 && 'rcatxn'.includes(key)

/** Null when a key is unknown, or one other than `a` comes twice. */
const readFields = (fragment: string): Partial<Record<Field, string[]>> | null => {
  const fields: Partial<Record<Field, string[]>> = {}
  for (const part of fragment.split('&')) {
    const at = part.indexOf('=')
    const key = part.slice(0, Math.max(0, at))
    if (!isField(key)) return null
    const values = fields[key] ?? []
    if (values.length > 0 && key !== 'a') return null
    fields[key] = [...values, part.slice(at + 1)]
  }
  return fields
}

/** Unpadded base64url with no bit to spare: each value has one spelling. */
const readBytes = (text: string | undefined, length: number): Uint8Array | null => {
  if (text === undefined || !/^[A-Za-z0-9_-]+$/.test(text) || text.length !== Math.ceil((length * 4) / 3)) return null
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'))
  return bytes.byteLength === length && toText(bytes, 'base64url') === text ? bytes : null
}

const readPeerId = (text: string): PeerId | null => {
  const peer = parsePeerId(text)
  return peer === text ? peer : null
}

const readName = (text: string): string | null => {
  try {
    const name = decodeURIComponent(text)
    return isNetworkName(name) ? name : null
  } catch {
    return null
  }
}

/** The multiaddrs that an invite may carry: a host and a TCP port, as our transport takes them. */
const isTcpAddress = (text: string): boolean => {
  if (text.length > ADDRESS_MAX_CHARACTERS) return false
  const [, kind, host, port] = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/([1-9][0-9]{0,4})$/.exec(text) ?? []
  if (kind === undefined || host === undefined || Number(port) > 65_535) return false
  if (kind === 'ip4') return isIPv4(host)
  if (kind === 'ip6') return isIPv6(host) && !host.includes('%')
  return /^[A-Za-z0-9.-]+$/.test(host)
}
