import { createSocket } from 'node:dgram'
import { stat, statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { DISK_LOW_BYTES, DOCTOR_WAIT_MS, REPLY_TIMEOUT_MS } from '../../shared/limits.ts'
import type { Running } from '../api/running.ts'
import type { Profile } from '../identity/identity-files.ts'
import { isFree, readSettings } from '../settings.ts'
import { bad, type Finding, good, warning } from './finding.ts'
import { sizeOf } from './lines.ts'

// What `doctor` asks the machine, without the key of the device.

export const lookAtHome = async (home: string): Promise<Finding> => {
  const { mode } = await stat(home)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    return warning('home', `${home} can be read by other users of this machine`, `chmod 700 '${home}'`)
  }
  return good('home', home)
}

export const lookAtDisk = async (folder: string): Promise<Finding> => {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const words = `${sizeOf(free)} free at ${folder}`
  return free < DISK_LOW_BYTES
    ? bad('disk', words, 'make room, or give files another folder: lanyard cd FOLDER')
    : good('disk', words)
}

/** Whether others can come in at the port that they remember. */
export const lookAtPort = async (home: string, running: Running | null): Promise<Finding> => {
  const { port } = await readSettings(home)
  if (running !== null) return good('port', `in use by process ${running.pid}: lanyard ${running.command}`)
  if (port === undefined) return good('port', 'none yet: the first start takes one')
  if (await isFree(port)) return good('port', `TCP ${port} is free`)
  return warning(
    'port',
    `another program has TCP ${port}`,
    'end it; until then another port is taken, which is announced',
  )
}

export const lookAtNetwork = (): Finding => {
  const own = Object.entries(networkInterfaces()).flatMap(([name, some = []]) =>
    some.flatMap(({ internal, family, address }) => (internal || family !== 'IPv4' ? [] : [`${name} ${address}`])),
  )
  return own.length > 0
    ? good('network', own.join(', '))
    : bad('network', 'this machine has no IPv4 address but its own', 'connect it to the network')
}

const MDNS_GROUP = '224.0.0.251' // RFC 6762 §3

/** Sends a datagram to the group of mDNS, on a port of its own, and listens whether it comes back. */
export const lookAtMulticast = async (): Promise<Finding> => {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const socket = createSocket({ type: 'udp4' })
  const timer = setTimeout(() => resolve('nothing comes back'), DOCTOR_WAIT_MS)
  socket.once('error', ({ message }) => resolve(message))
  socket.once('message', () => resolve(null))
  socket.bind(0, () => {
    try {
      socket.addMembership(MDNS_GROUP)
      socket.setMulticastLoopback(true)
      socket.send('lanyard doctor', socket.address().port, MDNS_GROUP, (error) => error && resolve(error.message))
    } catch (error) {
      resolve(error instanceof Error ? error.message : String(error))
    }
  })
  const trouble = await promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
  if (trouble === null) return good('multicast', 'leaves this machine, as far as it can tell')
  const next = 'let UDP 5353 pass in the firewall, or give an address of somebody: lanyard --peer MULTIADDR'
  return bad('multicast', `does not work here: ${trouble}`, next)
}

/** Whether anything answers where the CA was at the enrolment. */
export const lookForCa = async ({ caAddresses }: Pick<Profile, 'caAddresses'>): Promise<Finding> => {
  const tried = await Promise.all(caAddresses.map(async (address) => ({ address, trouble: await knockAt(address) })))
  const answering = tried.find(({ trouble }) => trouble === null)
  if (answering !== undefined) return good('CA', `something listens at ${answering.address}`)
  const words = tried.map(({ address, trouble }) => `${address}: ${trouble}`).join('; ')
  const next = 'nothing, for days: it is needed for newcomers, renewals and revocations. Then ask who runs it'
  return warning('CA', words === '' ? 'it has told no address' : words, next)
}

const knockAt = (address: string): Promise<string | null> => {
  const [, host, port] = /^\/(?:ip4|ip6|dns4?|dns6)\/([^/]+)\/tcp\/(\d+)/.exec(address) ?? []
  if (host === undefined || port === undefined) return Promise.resolve('not a TCP address')
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const socket = connect({ host, port: Number(port), timeout: REPLY_TIMEOUT_MS })
  socket.once('connect', () => resolve(null))
  socket.once('timeout', () => resolve('no answer'))
  socket.once('error', (error) => resolve('code' in error ? String(error.code) : error.message))
  return promise.finally(() => socket.destroy())
}
