import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What a connection is to. */
export type Target = {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/**
 * The password from PostgreSQL's own password file (its documentation, §34.16): PGPASSFILE, else `~/.pgpass`. As there, a
 * file that others may read does not count.
 * @returns null where there is none for it
 */
export const findPassword = async (target: Target, path: string = passwordFile()): Promise<string | null> => {
  const text = await readShut(path)
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue
    const [host = '', port = '', database = '', user = '', password] = fieldsOf(line)
    const fits =
      (fitsField(host, target.host) || (target.host.startsWith('/') && host === 'localhost')) &&
      fitsField(port, String(target.port)) &&
      fitsField(database, target.database) &&
      fitsField(user, target.user)
    if (fits && password !== undefined) return password
  }
  return null
}

const passwordFile = (): string => {
  const given = process.env.PGPASSFILE
  if (given !== undefined && given !== '') return given
  const windows = process.env.APPDATA
  if (process.platform === 'win32' && windows !== undefined) return join(windows, 'postgresql', 'pgpass.conf')
  return join(homedir(), '.pgpass')
}

const readShut = async (path: string): Promise<string> => {
  const mode = (await stat(path).catch(() => null))?.mode ?? 0
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) return ''
  return readFile(path, 'utf8').catch(() => '')
}

/** Between colons; a backslash takes the next character as it is. */
const fieldsOf = (line: string): string[] =>
  line.length === 0
    ? []
    : [...line.matchAll(/((?:[^:\\]|\\.)*)(?::|$)/g)].map(([, field = '']) => field.replace(/\\(.)/g, '$1'))

const fitsField = (pattern: string, value: string): boolean => pattern === '*' || pattern === value
