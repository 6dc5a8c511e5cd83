import { createLan, namespacesUnable } from '../support/lan.ts'
import { type Command, type Player, startPlayer } from '../support/player.ts'

/** Where the demo plays. */
export type Stage = {
  readonly discovery: 'mdns' | 'addresses'
  readonly where: string
  /** Starts a program on a host. */
  start(host: string, command: Command): Player
  /** What to put before a shell command that is to run on that host. */
  prefix(host: string): string
  /** The multiaddr that a host listens on. */
  listen(host: string): string
  close(): Promise<void>
}

/**
 * Hosts on a network of their own where that can be made, and there found by multicast. Elsewhere loopback and addresses:
 * the machine's own network is not announced to in either case.
 */
export const openStage = (names: readonly string[]): Stage => {
  if (namespacesUnable !== null) {
    return {
      discovery: 'addresses',
      where: `on loopback, finding each other by addresses (no network namespaces: ${namespacesUnable})`,
      start: (host, command) => startPlayer(host, command),
      prefix: () => '',
      listen: () => '/ip4/127.0.0.1/tcp/0',
      close: async () => undefined,
    }
  }
  const lan = createLan(names.length)
  const hostOf = (name: string) => {
    const host = lan.hosts[names.indexOf(name)]
    if (host === undefined) throw new Error(`no host ${name}`)
    return host
  }
  return {
    discovery: 'mdns',
    where: 'on hosts in network namespaces of their own, finding each other by multicast DNS',
    start: (name, command) => startPlayer(name, command, hostOf(name).spawn),
    prefix: (name) => `ip netns exec ${hostOf(name).name} `,
    listen: (name) => `/ip4/${hostOf(name).address}/tcp/0`,
    close: async () => lan[Symbol.asyncDispose](),
  }
}
