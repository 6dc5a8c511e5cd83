import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, messages } from 'lanyard'
import type { Peer } from '../../peer/peer.ts'
import { PASSPHRASE, runningClock, testCa } from '../support/enrolment.ts'
import { openHomes } from '../support/homes.ts'
import { type Bench, type Metrics, median, metric, nowMs, percentile, withAim } from './figures.ts'
import { type PlayedTerminal, playTerminal, usageOf } from './terminal.ts'

const MAIN = fileURLToPath(new URL('../../peer/main.ts', import.meta.url))
const PRELOADED = new URL('../../shared/require-node.mjs', import.meta.url).href
const HISTORY = 100_000 // messages
const AT_ONCE = 500 // of them that are not yet stored
const RATE = 200 // messages a second that arrive
const PRESSES = 300
const PRESS_EVERY_MS = 67 // somebody who types fast
const IDLE_MS = 60_000
const SETTLED_MS = 15_000 // what a start and a first session bring with them is over
const TEXT = 'a message of a few words, as people write them to each other all day long'
const KEYS = 'QXZJKVWY' // of which nothing else that is drawn has any

/**
 * The screen as a program in a terminal: from a key press until its letter is drawn, with a long history, while nothing and
 * while 200 messages a second come; the round trip of its API; and what a running device takes while nothing happens.
 */
export const ui: Bench = async (say) => {
  await using ca = await testCa({ clock: runningClock() })
  await using homes = await openHomes(ca)
  for (const name of ['alice', 'bob', 'carol']) await homes.settle(name)
  const home = (name: string): string => join(homes.folder, name)
  const bob = await homes.start(home('bob'))
  const [address = ''] = bob.addresses()
  const command = (name: string, ...options: readonly string[]): readonly string[] =>
    [process.execPath, '--import', PRELOADED, MAIN, '--home', home(name), '--listen', '/ip4/127.0.0.1/tcp/0'].concat(
      ['--no-mdns', '--peer', address],
      options,
    )
  const env = { LANYARD_PASSPHRASE: PASSPHRASE, LANYARD_THEME: 'dark' }
  const quiet = await idle(command('carol', 'chat', '--plain'), command('alice'), env)
  say('idle is measured')

  const author = await homes.start(home('alice'))
  const heard = hears(bob, HISTORY)
  await fill(author)
  await heard
  await homes.stop(author)
  say(`${HISTORY} messages are there`)

  const met = new Promise<void>((resolve) => {
    const end = bob.on((event) => {
      if (event.kind !== 'session' || event.change !== 'began') return
      end()
      resolve()
    })
  })
  const began = nowMs()
  await using terminal = await playTerminal(command('alice'), env)
  await terminal.drawn('#general ›')
  const openedMs = nowMs() - began
  await met
  await pause(5_000) // what a session begins with is over
  const calm = await press(terminal)
  say(`calm: p50 ${median(calm).toFixed(1)} ms, p99 ${percentile(calm, 0.99).toFixed(1)} ms`)
  const scrolled = await scroll(terminal)
  const asked = await roundTrips(home('alice'))
  say(`API: p50 ${median(asked).toFixed(2)} ms, p99 ${percentile(asked, 0.99).toFixed(2)} ms`)
  const stream = streaming(bob)
  await pause(1_000)
  const busy = await press(terminal)
  const perSecond = await stream.stop()
  say(
    `${Math.round(perSecond)} messages/s: p50 ${median(busy).toFixed(1)} ms, p99 ${percentile(busy, 0.99).toFixed(1)} ms`,
  )
  return {
    uiOpenSeconds: metric(openedMs / 1_000, 's'),
    keyEchoP50Ms: metric(median(busy), 'ms', median(calm)),
    keyEchoP99Ms: withAim(metric(percentile(busy, 0.99), 'ms', percentile(calm, 0.99)), '≤', 50),
    keyEchoMessagesPerSecond: metric(perSecond, '1/s'),
    apiRoundTripP50Ms: metric(median(asked), 'ms'),
    apiRoundTripP99Ms: metric(percentile(asked, 0.99), 'ms'),
    pageUpP99Ms: metric(percentile(scrolled, 0.99), 'ms'),
    screenMB: metric((await usageOf(terminal.pid)).rssBytes / 1e6, 'MB'),
    ...quiet,
  }
}

/** Resolves once so many messages have come. */
const hears = (peer: Peer, count: number): Promise<void> =>
  new Promise((resolve) => {
    let left = count
    const end = peer.on((event) => {
      if (event.kind !== 'message' || --left > 0) return
      end()
      resolve()
    })
  })

/** A history of one author, as a bot would write it. */
const fill = async (peer: Peer): Promise<void> => {
  for (let at = 0; at < HISTORY; at += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, one) => peer.say(peer.general, `${TEXT}, ${at + one}`)))
  }
}

/** Milliseconds from each letter to the line in which it is drawn. */
const press = async (terminal: PlayedTerminal): Promise<number[]> => {
  const took: number[] = []
  let text = ''
  for (let at = 0; at < PRESSES; at++) {
    if (text.length === 40) {
      terminal.write('\u0015') // Ctrl-U
      text = ''
      await pause(PRESS_EVERY_MS)
    }
    const letter = KEYS[at % KEYS.length] ?? 'e'
    text += letter
    const began = nowMs()
    const drawn = terminal.drawn(text)
    terminal.write(letter)
    await drawn
    took.push(nowMs() - began)
    await pause(Math.max(0, PRESS_EVERY_MS - (nowMs() - began)))
  }
  terminal.write('\u0015')
  return took
}

/** Milliseconds from Page Up to the page: from the newest, through as much of the history as that leads to. */
const scroll = async (terminal: PlayedTerminal): Promise<number[]> => {
  const took: number[] = []
  for (let at = 0; at < PRESSES; at++) {
    const began = nowMs()
    const drawn = terminal.drawn(TEXT.slice(-12)) // each has a number behind it: that line is another on each page
    terminal.write('\u001b[5~')
    await drawn
    took.push(nowMs() - began)
    await pause(PRESS_EVERY_MS / 2)
  }
  terminal.write('\u001b[F') // End
  await pause(1_000)
  return took
}

/** Milliseconds from a question to the last page of 20 messages, over the local API of the device that has the screen. */
const roundTrips = async (home: string): Promise<number[]> => {
  await using client = await connect({ home })
  const took: number[] = []
  for (let at = 0; at < PRESSES; at++) {
    const began = nowMs()
    await client.call(messages.history, { room: '#general', limit: 20 })
    took.push(nowMs() - began)
  }
  return took
}

/** Says so many a second until it is stopped; tells how many it were. */
const streaming = (peer: Peer) => {
  let stopped = false
  let count = 0
  const began = nowMs()
  const over = (async () => {
    while (!stopped) {
      while (count < ((nowMs() - began) / 1_000) * RATE) {
        await peer.say(peer.general, `${TEXT}, again ${count}`)
        count += 1
      }
      await pause(1)
    }
    return count / ((nowMs() - began) / 1_000)
  })()
  return {
    stop: (): Promise<number> => {
      stopped = true
      return over
    },
  }
}

/** What a device that only runs takes, and beside it one with the screen, while nothing happens. */
const idle = async (
  [program = '', ...args]: readonly string[],
  screen: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Metrics> => {
  const plain = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  await using terminal = await playTerminal(screen, env)
  try {
    await terminal.drawn('#general ›')
    await pause(SETTLED_MS)
    const pids = [plain.pid ?? 0, terminal.pid]
    const before = await Promise.all(pids.map(usageOf))
    await pause(IDLE_MS)
    const after = await Promise.all(pids.map(usageOf))
    const share = (at: number): number => (((after[at]?.cpuMs ?? 0) - (before[at]?.cpuMs ?? 0)) / IDLE_MS) * 100
    const memory = (at: number): number => (after[at]?.rssBytes ?? 0) / 1e6
    return {
      idlePeerCpuPercent: withAim(metric(share(0), '%'), '≤', 1),
      idlePeerMB: withAim(metric(memory(0), 'MB'), '≤', 150),
      idleScreenCpuPercent: withAim(metric(share(1), '%'), '≤', 1),
      idleScreenMB: metric(memory(1), 'MB'),
    }
  } finally {
    plain.kill('SIGTERM')
    await new Promise((resolve) => plain.once('close', resolve))
  }
}
