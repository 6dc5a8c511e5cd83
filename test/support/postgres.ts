import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { describe } from 'vitest'

/** A PostgreSQL server of our own, which is reached by a Unix socket alone, and ends when this process does. */
export type Postgres = AsyncDisposable & {
  /** The address of a new, empty database. `guarded` is let in by the password `guarded` alone. */
  createDatabase(user?: 'lanyard' | 'guarded'): Promise<string>
  /** At once, in the middle of everything; then `start` mends it from its log. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** Debian has them beside the path, one folder a version. */
const findBinaries = (): string | null => {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...versions.map((version) => join(debian, version, 'bin')), ...(process.env.PATH ?? '').split(':')]
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name)))) ?? null
}

const binaries = findBinaries()
const isSkipped = binaries === null && process.env.LANYARD_CI !== '1'
if (isSkipped) console.warn('skipped: the tests that need PostgreSQL: neither initdb nor postgres was found')

/** Tests that need PostgreSQL: skipped where it is not installed, but not in CI (LANYARD_CI=1), where they then fail. */
export const describeWithPostgres = describe.skipIf(isSkipped)

/** Starts one, in a second or two. */
export const startPostgres = async (): Promise<Postgres> => {
  if (binaries === null) throw new Error('PostgreSQL is not installed: neither initdb nor postgres was found')
  const owner = accountOf()
  const folder = await mkdtemp(join(tmpdir(), 'lanyard-postgres-'))
  await chmod(folder, 0o700)
  if (owner !== null) await chown(folder, owner.uid, owner.gid)
  const as = { ...(owner ?? {}), cwd: folder, env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } }
  const data = join(folder, 'data')
  const initdb = ['--pgdata', data, '--username', 'lanyard', '--auth', 'trust', '--encoding', 'UTF8', '--no-locale']
  execFileSync(join(binaries, 'initdb'), [...initdb, '--no-sync', '--no-instructions'], { ...as, stdio: 'ignore' })
  const rules = join(data, 'pg_hba.conf')
  await writeFile(rules, `local all guarded scram-sha-256\n${await readFile(rules, 'utf8')}`)
  const settings = {
    listen_addresses: '',
    unix_socket_directories: folder,
    fsync: 'off', // what is killed here is the server, and not the system, which keeps what was written
    max_connections: '50',
    shared_buffers: '32MB',
    log_min_messages: 'fatal',
  }
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  const addressOf = (database: string, user = 'lanyard'): string =>
    `postgres://${user}@/${database}?host=${encodeURIComponent(folder)}`
  const ask = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: addressOf('postgres') })
    client.on('error', () => undefined)
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }
  let server: Server | null = null
  const start = async (): Promise<void> => {
    server = launch(join(binaries, 'postgres'), args, as)
    await Promise.race([answers(() => ask('SELECT 1')), server.failed])
  }
  const end = async (signal: 'INT' | 'QUIT'): Promise<void> => {
    await server?.end(signal)
    server = null
  }
  const stop = async (): Promise<void> => {
    await end('QUIT')
    await rm(folder, { recursive: true, force: true })
  }
  await start()
  await ask("CREATE ROLE guarded LOGIN PASSWORD 'guarded'")
  return {
    start,
    stop,
    kill: () => end('QUIT'),
    createDatabase: async (user = 'lanyard') => {
      const name = `ca_${randomUUID().replaceAll('-', '')}`
      const plain = `CREATE DATABASE ${name} OWNER ${user} TEMPLATE template0`
      // In an order of its own, as on most people's servers; an older or smaller build has only that of the bytes.
      await ask(`${plain} LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C' STRATEGY file_copy`).catch(() => ask(plain))
      return addressOf(name, user)
    },
    [Symbol.asyncDispose]: stop,
  }
}

type Account = { readonly uid: number; readonly gid: number }

/** As whom it runs: PostgreSQL refuses root. */
const accountOf = (): Account | null => {
  if (process.getuid?.() !== 0) return null
  const id = (kind: string): number => Number(execFileSync('id', [kind, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

type Server = { end(signal: string): Promise<void>; readonly failed: Promise<never> }

// Ends at a word from us, and when we are gone without one.
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's
const KEEPER = '"$@" & read -r signal; kill -s "${signal:-QUIT}" $!; wait $!'

const launch = (program: string, args: readonly string[], as: object): Server => {
  const child = spawn('sh', ['-c', KEEPER, 'sh', program, ...args], { ...as, stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (data) => {
    said += String(data)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const failed = ended.then(() => Promise.reject(new Error(`postgres ended: ${said}`)))
  failed.catch(() => undefined)
  return {
    failed,
    end: async (signal) => {
      child.stdin.end(`${signal}\n`)
      await ended
    },
  }
}

const answers = async (ask: () => Promise<void>): Promise<void> => {
  const deadline = performance.now() + 60_000
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await setTimeout(20)
  }
}
