import { spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openKeystore } from '../../peer/identity/keystore.ts'
import { rekey } from '../../peer/identity/rekey.ts'
import type { Peer } from '../../peer/peer.ts'
import { systemRandom } from '../../shared/random.ts'
import { PASSPHRASE, type TestCa, testCa } from '../support/enrolment.ts'
import { next, openHomes } from '../support/homes.ts'
import { says } from '../support/world.ts'

let ca: TestCa
let onEnrolled: () => void = () => undefined
beforeAll(async () => {
  ca = await testCa({ onLog: (event) => event === 'enrolled' && onEnrolled() })
})
afterAll(() => ca.stop())

const change = async (home: string) =>
  rekey({
    home,
    keystore: await openKeystore(home, PASSPHRASE),
    passphrase: PASSPHRASE,
    by: { kind: 'old-key' },
    keyBits: 2048,
    listen: [],
    clock: ca.clock,
    random: systemRandom,
  })

const textsOf = (peer: Peer) =>
  peer.history(peer.general, 100).map(({ content }) => (content?.kind === 'text' ? content.text : content))

test('after a change of keys the device is another one to everybody, reads all that it could read, and loses nothing that it said', {
  timeout: 120_000,
}, async () => {
  await using homes = await openHomes(ca)
  const [aliceHome, bobHome] = [await homes.settle('alice'), await homes.settle('bob')]
  const bob = await homes.start(bobHome)
  const alice = await homes.start(aliceHome)
  const old = alice.self
  const atBobs = next(bob, says('said to bob'))
  await alice.say(alice.general, 'said to bob')
  await atBobs
  const atAlices = next(alice, says('said by bob'))
  await bob.say(bob.general, 'said by bob')
  await atAlices
  await homes.stop(bob)
  await alice.say(alice.general, 'said to nobody yet')
  await homes.stop(alice)

  const fresh = await change(aliceHome)
  expect(fresh.peerId).not.toBe(old.peerId)
  const renamed = await homes.start(aliceHome)
  expect(renamed.self.peerId).toBe(fresh.peerId)
  const before = ['said to bob', 'said by bob', 'said to nobody yet']
  expect(textsOf(renamed)).toEqual(before)

  const again = await homes.start(bobHome)
  const late = next(again, says('said to nobody yet'))
  const afterwards = next(again, says('said under the new key'))
  await renamed.say(renamed.general, 'said under the new key')
  await Promise.all([late, afterwards])
  const answer = next(renamed, says('understood'))
  await again.say(again.general, 'understood')
  await answer
  const all = [...before, 'said under the new key', 'understood']
  expect(textsOf(again)).toEqual(all)
  expect(textsOf(renamed)).toEqual(all)
  const devices = again.users().find(({ user }) => user === 'alice')?.devices
  expect(devices).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ device: old.peerId, revoked: true, present: false }),
      expect.objectContaining({ device: fresh.peerId, revoked: false, present: true }),
    ]),
  )
})

test('a refusal of the CA changes nothing', async () => {
  await using homes = await openHomes(ca)
  const home = await homes.settle('refused')
  const { key } = await openKeystore(home, PASSPHRASE)
  await ca.revoke({ user: 'refused' }, 'unspecified')
  await expect(change(home)).rejects.toMatchObject({ code: 'certificate-revoked', refusal: { by: 'there' } })
  expect((await openKeystore(home, PASSPHRASE)).key.equals(key)).toBe(true)
  expect((await readdir(home)).filter((name) => name.startsWith('identity'))).toEqual(['identity'])
})

test('a CA that is away changes nothing', async () => {
  await using homes = await openHomes(ca)
  const home = await homes.settle('lonely')
  const { key } = await openKeystore(home, PASSPHRASE)
  await ca.turnOff()
  await expect(change(home)).rejects.toMatchObject({ code: 'unreachable' })
  await ca.turnOn()
  expect((await openKeystore(home, PASSPHRASE)).key.equals(key)).toBe(true)
  expect((await readdir(home)).filter((name) => name.startsWith('identity'))).toEqual(['identity'])
})

/**
 * Changes the key of a home in a process that is killed before one of its renames and removals.
 * @returns whether it lived to the end
 */
const changeAndDie = async (home: string, dieAt: number): Promise<boolean> => {
  const file = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href)
  const script = `
    import fs from 'node:fs/promises'
    import { syncBuiltinESMExports } from 'node:module'
    let step = 0
    for (const name of ['rename', 'rm']) {
      const real = fs[name]
      fs[name] = (...parameters) => {
        if (step++ === ${dieAt}) process.kill(process.pid, 'SIGKILL')
        return real(...parameters)
      }
    }
    syncBuiltinESMExports()
    const { openKeystore } = await import(${file('peer/identity/keystore.ts')})
    const { rekey } = await import(${file('peer/identity/rekey.ts')})
    const { systemClock: clock } = await import(${file('shared/clock.ts')})
    const { systemRandom: random } = await import(${file('shared/random.ts')})
    const [home, passphrase] = ${JSON.stringify([home, PASSPHRASE])}
    const keystore = await openKeystore(home, passphrase)
    const by = { kind: 'old-key' }
    await rekey({ home, keystore, passphrase, by, keyBits: 2048, listen: [], clock, random })
    process.exit(0)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  // Or: in the moment in which the CA has written it down, and before it can say so.
  if (dieAt === AT_THE_CA) onEnrolled = () => child.kill('SIGKILL')
  const end = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
  onEnrolled = () => undefined
  if (end !== 'SIGKILL') expect(end).toBe(0)
  return end === 0
}
const AT_THE_CA = -1

test('a crash at any point of a change of keys leaves one identity that works, and the history', {
  timeout: 240_000,
}, async () => {
  await using homes = await openHomes(ca)
  const home = await homes.settle('crash')
  const first = await homes.start(home)
  await first.say(first.general, 'from before')
  await homes.stop(first)
  const moved: string[] = []
  let before = first.self.peerId
  for (let dieAt = AT_THE_CA, finished = false; !finished; dieAt += 1) {
    finished = await changeAndDie(home, dieAt)
    const peer = await homes.start(home)
    const devices = (await ca.users()).find(({ name }) => name === 'crash')?.devices ?? []
    const good = devices.filter(({ revoked }) => !revoked).map(({ peerId }) => peerId)
    expect({ dieAt, good }).toEqual({ dieAt, good: [peer.self.peerId] })
    expect(textsOf(peer)[0]).toBe('from before')
    await peer.say(peer.general, `after ${dieAt}`)
    const left = (await readdir(home)).filter((name) => name.startsWith('identity.') && name !== 'identity.draft')
    expect({ dieAt, left }).toEqual({ dieAt, left: [] })
    moved.push(peer.self.peerId === before ? 'old' : 'new')
    before = peer.self.peerId
    await homes.stop(peer)
  }
  console.log(
    `rekey.test: killed at the CA, then before each of ${moved.length - 2} renames and removals: ${moved.join(' ')}`,
  )
  expect(moved[0]).toBe('new')
  expect(moved.slice(1).join(' ')).toMatch(/^(old ){2,}(new ?){6,}$/)
})
