import { fault } from '../shared/errors.ts'

/** Where a database on a server is. */
export type ServerAddress = {
  /** With its password, when it was given one. */
  readonly url: string
  /** Without any: to be shown, and kept. */
  readonly bare: string
}

/**
 * `postgres://user:password@host:port/database?…`. Over a network it must say whether the connection is sealed: what is
 * asked and answered there are password hashes, and who is revoked.
 * @throws LanyardError `input-invalid`, which never repeats the text: there may be a password in it
 */
export const readServerAddress = (text: string): ServerAddress => {
  const whole = text.replace('@/', '@localhost/') // a user and no host: PostgreSQL takes it, URL does not
  const url = URL.canParse(whole) ? new URL(whole) : null
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) throw fault('input-invalid', SHAPE)
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname)
  if (url.pathname.length < 2) throw fault('input-invalid', `${SHAPE}: the name of the database is missing`)
  const sealing = url.searchParams.get('sslmode')
  if (sealing === null ? !isHere(host) : sealing !== 'verify-full' && sealing !== 'disable') {
    throw fault('input-invalid', SEALING)
  }
  const bare = new URL(url)
  bare.password = ''
  bare.searchParams.delete('password')
  return { url: url.href, bare: bare.href }
}

const SHAPE = 'a database is given as postgres://user@host/database'
const SEALING =
  'a database on another machine takes ?sslmode=verify-full (with &sslrootcert=FILE for a root of your own), ' +
  'or ?sslmode=disable where nobody listens'

/** This machine, or a Unix socket of it. */
const isHere = (host: string): boolean =>
  host === '' || host.startsWith('/') || host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
