import { generateKeyPair } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { enrolAs, newcomer, PASSPHRASE, PASSWORD, temporaryFolder } from '../support/enrolment.ts'
import { type Player, startPlayer } from '../support/player.ts'
import type { BareOrder, BareReport } from './bare-process.ts'
import { startChild } from './child.ts'
import { type Bench, median, metric, nowMs } from './figures.ts'

const JOINS = 5
const STARTS = 7
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const PRELOADED = new URL('../../shared/require-node.mjs', import.meta.url).href

/**
 * Enrolment: `npm run peer -- join` as a process, from its spawn to its end, at a CA in another. Cold start:
 * `npm run peer` as a process, from its spawn to its first session with a peer that runs (which opens a sealed key on the way).
 */
export const start: Bench = async (say) => {
  const folder = await temporaryFolder()
  const players: Player[] = []
  const launch = (name: string, program: string, args: readonly string[]): Player => {
    const file = fileURLToPath(new URL(`../../${program}`, import.meta.url))
    const env = { LANYARD_CA_PASSPHRASE: PASSPHRASE, LANYARD_PASSPHRASE: PASSPHRASE, LANYARD_PASSWORD: PASSWORD }
    const home = join(folder.path, name)
    const run = ['--import', PRELOADED, file, '--home', home, '--json', ...args] // as npm run does
    const player = startPlayer(name, { file: process.execPath, args: run, env })
    players.push(player)
    return player
  }
  try {
    const ca = launch('ca', 'ca-node/main.ts', ['--listen', LOOPBACK])
    await ca.until((line) => 'invite' in line)
    const { invites } = await launch('ca', 'ca-node/main.ts', ['invite', '--count', String(2 * JOINS)]).until(
      (line) => 'invites' in line,
    )
    const texts = (invites as readonly { readonly invite: string }[]).map(({ invite }) => invite)

    const joined: number[] = []
    const exchanged: number[] = []
    const generated: number[] = []
    for (let at = 0; at < JOINS; at++) {
      const name = `peer${at}`
      joined.push(
        await seconds(async () => {
          const args = ['join', texts[2 * at] ?? '', '--user', name, '--listen', LOOPBACK]
          const code = await launch(name, 'peer/main.ts', args).over
          if (code !== 0) throw new Error(`join ended with ${code}`)
        }),
      )
      generated.push(await seconds(() => promisify(generateKeyPair)('rsa', { modulusLength: 2048 })))
      await using device = await newcomer()
      const invite = orThrow(parseInvite(texts[2 * at + 1] ?? ''))
      exchanged.push(
        await seconds(async () => orThrow(await enrolAs(device, systemClock, { user: `here${at}`, invite }))),
      )
    }
    say(`${JOINS} have joined`)

    const chat = ['--no-mdns', '--listen', LOOPBACK]
    const host = launch('peer0', 'peer/main.ts', chat)
    const { addresses } = await host.until(({ event }) => event === 'ready')
    const [address = ''] = addresses as readonly string[]
    const cold: number[] = []
    const bare: number[] = []
    for (let at = 0; at < STARTS; at++) {
      bare.push(await seconds(bareStart))
      const began = nowMs()
      const guest = launch('peer1', 'peer/main.ts', [...chat, '--peer', address])
      await guest.until(({ event, change }) => event === 'session' && change === 'began')
      cold.push((nowMs() - began) / 1_000)
      await guest.end()
    }
    return {
      coldStartSeconds: metric(median(cold), 's', median(bare)),
      bareStartSeconds: metric(median(bare), 's'),
      enrolSeconds: metric(median(joined), 's'),
      enrolExchangeSeconds: metric(median(exchanged), 's'),
      keyGenerationSeconds: metric(median(generated), 's'),
    }
  } finally {
    await Promise.all(players.map((player) => player.end()))
    await folder.remove()
  }
}

/** A process with libp2p alone, until it listens. */
const bareStart = async (): Promise<void> => {
  await using child = startChild<BareOrder, BareReport>('bare-process.ts', { tuned: false })
  await child.next('ready')
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const began = nowMs()
  await work()
  return (nowMs() - began) / 1_000
}
