import { timingSafeEqual } from 'node:crypto'
import { type Refusal, refuse } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'

/** What of a request decides whether it is let in. */
export type Knock = {
  /** The port that it came to; null by the Unix socket, which no page can reach. */
  readonly port: number | null
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly authorization: string | undefined
}

/**
 * Whether a request may come in, whatever it asks. The token is needed at both doors; a page of another site fails by its
 * Origin, and one that has its name point at this machine (DNS rebinding) by its Host.
 */
export const knock = ({ port, host, origin }: Knock): Refusal | null => {
  if (port === null) return origin === undefined ? null : refuse('api-origin-foreign', origin)
  const names = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`)
  if (host === undefined || !names.includes(host.toLowerCase())) return refuse('api-host-foreign', host)
  if (origin !== undefined && !names.some((name) => origin.toLowerCase() === `http://${name}`)) {
    return refuse('api-origin-foreign', origin)
  }
  return null
}

/** Compares in constant time. */
export const checkToken = ({ authorization = '' }: Pick<Knock, 'authorization'>, token: string): Refusal | null => {
  const given = /^Bearer (\S+)$/i.exec(authorization)?.[1] ?? ''
  const [theirs, ours] = [given, token].map((text) => sha256(new TextEncoder().encode(text)))
  if (theirs === undefined || ours === undefined) return refuse('api-token-wrong')
  return timingSafeEqual(theirs, ours) ? null : refuse('api-token-wrong')
}
