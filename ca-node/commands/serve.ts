import pino from 'pino'
import { systemClock } from '../../shared/clock.ts'
import { fault, LanyardError, nextStepOf, refusalOf, refuse, wordsOf } from '../../shared/errors.ts'
import { type Invite, isNetworkName } from '../../shared/invite.ts'
import { INVITE_LIFETIME_MS } from '../../shared/limits.ts'
import { passphraseFrom } from '../../shared/passphrase.ts'
import { systemRandom } from '../../shared/random.ts'
import type { Ca } from '../ca.ts'
import { findPlace, hasPlace, preparePlace } from '../database-place.ts'
import { announcementOf, screenOf } from '../operator.ts'
import { createCaKeys, readCaIdentity } from '../root-key.ts'
import { type Options, passphraseSources, print, serverOf } from './command.ts'
import { modeOf } from './terms.ts'

export type ServeOptions = Options & {
  readonly listen?: readonly string[]
  readonly network?: string
  readonly mode?: string
  readonly health?: string
  readonly mdns?: boolean
  /** False for a CA whose output goes into a log: whoever reads an invite there could join. */
  readonly invite?: boolean
}

export const DEFAULT_LISTEN = '/ip4/0.0.0.0/tcp/4100'
export const DEFAULT_NETWORK = 'lanyard'

/** Makes the CA when there is none, then serves until it is told to stop. */
export const serve = async (options: ServeOptions): Promise<void> => {
  const first = await isFirstStart(options.home)
  const place = await findPlace(options.home, serverOf(options))
  if (!first && !(await hasPlace(place))) throw fault('database-missing')
  const networkName = options.network ?? DEFAULT_NETWORK
  if (!isNetworkName(networkName)) throw fault('input-invalid', '--network takes 1 to 64 characters')
  const mode = options.mode === undefined ? undefined : modeOf(options.mode)
  const passphrase = await passphraseFrom(passphraseSources(options), first ? 'new' : 'open')
  if (first) {
    await preparePlace(options.home, place)
    if (options.json !== true) print('Making the root of a new network: a few seconds …')
    await createCaKeys(options.home, { networkName, passphrase, random: systemRandom, now: systemClock.now() })
  }
  const { startCa } = await import('../ca.ts') // with libp2p, which the other commands need not wait for
  const logger = pino({ name: 'lanyard-ca' }, pino.destination({ dest: 2, sync: true }))
  let running: Ca | null = null
  // Where another process, or another machine on the same database, has rolled the root over, these keys are of no use.
  const endWhenOutdated = (event: string, { reason }: Readonly<Record<string, unknown>>): void => {
    if (event !== OUTDATED && reason !== OUTDATED) return
    const why = refuse(OUTDATED)
    process.stderr.write(`lanyard-ca: ${wordsOf(why)}\nnext: ${nextStepOf(why)}\n`)
    void Promise.resolve(running?.stop()).finally(() => process.exit(1))
  }
  // After a restore: the operator may know what no device could tell.
  const tellWhenNobodyKnew = (event: string, { answered }: Readonly<Record<string, unknown>>): void => {
    if (event === 'devices-asked' && answered === 0) process.stderr.write(`lanyard-ca: ${NOBODY_KNEW}\n`)
  }
  const ca = await startCa({
    home: options.home,
    passphrase,
    place,
    listen: options.listen ?? [DEFAULT_LISTEN],
    clock: systemClock,
    random: systemRandom,
    mdns: options.mdns !== false && !isLocal(options.listen),
    ...(mode === undefined ? {} : { mode }),
    ...(options.health === undefined ? {} : { healthPort: readPort(options.health) }),
    log: (event, facts) => {
      logger.info(facts, event)
      endWhenOutdated(event, facts)
      tellWhenNobodyKnew(event, facts)
    },
  })
  running = ca
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'stopping')
      ca.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          const { code, detail } = refusalOf(error)
          logger.error({ reason: code, detail }, 'not stopped in good order')
          process.exit(1)
        },
      )
    })
  }
  const invites = options.invite === false ? [] : await firstInvite(ca)
  const announcement = announcementOf(ca, invites)
  print(
    options.json === true
      ? JSON.stringify(announcement)
      : await screenOf(announcement, invites, process.stdout.isTTY === true),
  )
}

/** One that only this machine reaches has nothing to announce to the others. */
const isLocal = (listen: readonly string[] = [DEFAULT_LISTEN]): boolean =>
  listen.every((address) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address))

const OUTDATED = 'root-outdated'

const NOBODY_KNEW = [
  'no device answered, so what was revoked after the backup is not known here; whoever knows tells it when they come',
  'next: revoke it again, if you know of it (npm run ca -- audit tells where the backup ends), or restore with --crl FILE',
].join('\n')

const firstInvite = (ca: Ca): Promise<Invite[]> =>
  ca.invite({ count: 1, lifetimeMs: INVITE_LIFETIME_MS }).catch(async (error: unknown) => {
    await ca.stop()
    throw error
  })

const readPort = (text: string): number => {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw fault('input-invalid', '--health takes a port')
  return port
}

const isFirstStart = (home: string): Promise<boolean> =>
  readCaIdentity(home, systemClock.now()).then(
    () => false,
    (error: unknown) => {
      if (error instanceof LanyardError && error.code === 'no-ca') return true
      throw error
    },
  )
