import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** Why this machine lets us make no network namespaces; null when it does. Root in a container often may not. */
export const namespacesUnable: string | null = (() => {
  if (process.getuid?.() !== 0) return 'not run as root'
  const probe = `lanyard-${process.pid}-probe`
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  if (made.error !== undefined) return 'no ip program (Debian: iproute2)'
  spawnSync('ip', ['netns', 'delete', probe]) // of one that is half made, too
  return made.status === 0 ? null : `none may be made: ${made.stderr.trim()}`
})()

/** One machine on a network of its own. */
export type Host = {
  readonly name: string
  /** Its IPv4 address on the network. */
  readonly address: string
  /** Starts a program there; the network ends it when it is taken down. */
  spawn(program: string, args: readonly string[], options?: SpawnOptions): ChildProcess
}

/** A switch with machines on it, which reaches no interface of the real machine. */
export type Lan = AsyncDisposable & {
  readonly hosts: readonly Host[]
  /** Takes a machine off the switch, as by pulling its cable, or puts it back. */
  plug(host: Host, state: 'in' | 'out'): void
  /** Lets a machine send no faster than this, by a token bucket. @param rate as `tc` has it: `40mbit` */
  limit(host: Host, rate: string): void
  /** Bytes that a machine has sent so far, with all that is around them. */
  sentBy(host: Host): number
  /** Takes the two switches of a lan that was made with `halves` apart, or puts them together again. */
  join(state: 'in' | 'out'): void
}

let lans = 0

/**
 * Makes network namespaces on a bridge in a namespace of its own.
 * @param halves puts the second half of the machines on a second bridge, which one cable joins to the first
 * @throws when the system refuses
 */
export const createLan = (size: number, { halves = false }: { readonly halves?: boolean } = {}): Lan => {
  lans += 1
  const prefix = `lanyard-${process.pid}-${lans}`
  const bridge = `${prefix}-switch`
  const names = Array.from({ length: size }, (_, at) => `${prefix}-${at + 1}`)
  const children = new Set<ChildProcess>()

  const takeDown = (): void => {
    process.off('exit', takeDown)
    for (const child of children) child.kill('SIGKILL')
    for (const name of [...names, bridge]) {
      for (const pid of inside(name)) end(pid) // what a child has started, and left behind
      spawnSync('ip', ['netns', 'delete', name])
    }
  }
  process.once('exit', takeDown) // for a run that ends in the middle
  try {
    ip('netns', 'add', bridge)
    ip('-n', bridge, 'link', 'add', 'name', 'switch', 'type', 'bridge')
    ip('-n', bridge, 'link', 'set', 'switch', 'up')
    if (halves) {
      ip('-n', bridge, 'link', 'add', 'name', 'other', 'type', 'bridge')
      ip('-n', bridge, 'link', 'set', 'other', 'up')
      ip('-n', bridge, 'link', 'add', 'name', 'joint', 'type', 'veth', 'peer', 'name', 'joined')
      ip('-n', bridge, 'link', 'set', 'joint', 'master', 'switch', 'up')
      ip('-n', bridge, 'link', 'set', 'joined', 'master', 'other', 'up')
    }
    for (const [at, name] of names.entries()) plugIn(name, bridge, at, halves && at >= size / 2 ? 'other' : 'switch')
  } catch (error) {
    takeDown()
    throw error
  }

  const hosts = names.map((name, at): Host => {
    const start: Host['spawn'] = (program, args, options = {}) => {
      // `ip netns exec` becomes the program: the child's id is the program's.
      const child = spawn('ip', ['netns', 'exec', name, program, ...args], options)
      children.add(child)
      child.once('exit', () => children.delete(child))
      return child
    }
    return { name, address: addressOf(at), spawn: start }
  })
  return {
    hosts,
    plug: (host, state) => {
      ip('-n', bridge, 'link', 'set', portOf(hosts.indexOf(host)), state === 'in' ? 'up' : 'down')
    },
    limit: ({ name }, rate) => {
      ip(
        'netns',
        'exec',
        name,
        'tc',
        'qdisc',
        'add',
        'dev',
        'eth0',
        'root',
        'tbf',
        'rate',
        rate,
        'burst',
        '256kb',
        'latency',
        '200ms',
      )
    },
    sentBy: ({ name }) => Number(ip('netns', 'exec', name, 'cat', '/sys/class/net/eth0/statistics/tx_bytes')),
    join: (state) => {
      ip('-n', bridge, 'link', 'set', 'joint', state === 'in' ? 'up' : 'down')
    },
    [Symbol.asyncDispose]: async () => {
      const ended = [...children].map((child) => once(child, 'exit'))
      takeDown()
      await Promise.all(ended)
    },
  }
}

const addressOf = (at: number): string => `10.77.0.${at + 1}`
const portOf = (at: number): string => `port${at + 1}`

/** Both ends of the cable are made where they belong: the machine's own namespace never sees them. */
const plugIn = (name: string, bridge: string, at: number, to: 'switch' | 'other'): void => {
  ip('netns', 'add', name)
  ip('-n', bridge, 'link', 'add', 'name', portOf(at), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  ip('-n', bridge, 'link', 'set', portOf(at), 'master', to, 'up')
  ip('-n', name, 'address', 'add', `${addressOf(at)}/24`, 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'lo', 'up')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  // A machine at home has a gateway; nobody answers at this one, but multicast goes where it points.
  ip('-n', name, 'route', 'add', 'default', 'dev', 'eth0')
}

const ip = (...args: readonly string[]): string => {
  const run = spawnSync('ip', args, { encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`ip ${args.join(' ')}: ${run.error?.message ?? run.stderr.trim()}`)
  return run.stdout
}

const inside = (name: string): number[] =>
  (spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '').split('\n').filter(Boolean).map(Number)

const end = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}
