import { z } from 'zod'
import { orThrow } from '../../../shared/errors.ts'
import type { Peer } from '../../peer.ts'
import { operation } from '../operation.ts'
import { findUser } from '../places.ts'
import { revocationListJson, revocationListShape } from './device.ts'

/** A user of the network, with all devices that were ever seen. */
export const userShape = z.object({
  user: z.string(),
  self: z.boolean(),
  blocked: z.boolean().describe('nothing of this user is shown here'),
  compared: z
    .enum(['no', 'yes', 'changed'])
    .describe('whether the keys were compared in person; changed: devices have come since'),
  devices: z.array(
    z.object({
      device: z.string(),
      present: z.boolean(),
      state: z.enum(['active', 'away']).nullable().describe('whether somebody sits at it; null: not told'),
      found: z.enum(['mdns', 'addresses']).nullable(),
      expires: z.iso.datetime().describe('end of its certificate'),
      revoked: z.boolean(),
      compared: z.boolean().describe('its key was among those that were compared in person'),
    }),
  ),
})
export type UserJson = z.output<typeof userShape>

const usersJson = (peer: Peer): UserJson[] => {
  const blocked = new Set(peer.blocked())
  return peer.users().map(({ user, self, devices }) => ({
    user,
    self,
    blocked: blocked.has(user),
    compared: peer.comparisons.stateOf(user),
    devices: devices.map(({ device, present, found, expires, revoked }) => {
      const state = peer.live.presenceOf(device)
      const compared = peer.comparisons.isCompared(user, device)
      return { device, present, state, found, expires: new Date(expires).toISOString(), revoked, compared }
    }),
  }))
}

export const users = operation({
  name: 'users.list',
  method: 'GET',
  path: '/users',
  summary: 'All users of the network with their devices, present or not.',
  input: z.object({}),
  output: z.object({ users: z.array(userShape), revocationList: revocationListShape }),
  run: (peer) => ({ users: usersJson(peer), revocationList: revocationListJson(peer.revocationList()) }),
})

export const block = operation({
  name: 'users.block',
  method: 'PUT',
  path: '/users/:user/block',
  summary: 'Shows nothing of a user here, and tells of nothing; or again. Only here.',
  input: z.object({ user: z.string(), on: z.boolean() }),
  output: z.object({ user: z.string(), on: z.boolean() }),
  run: (peer, { user, on }) => {
    const name = orThrow(findUser(peer, user))
    peer.block(name, on)
    return { user: name, on }
  },
})
