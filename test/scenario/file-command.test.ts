import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { testCa } from '../support/enrolment.ts'
import { openHomes } from '../support/homes.ts'
import { peerCommand } from '../support/peer-command.ts'

type Told = { readonly event?: string; readonly [fact: string]: unknown }

test('files go from one command line to another, with progress for scripts', async () => {
  const ca = await testCa()
  const homes = await openHomes(ca)
  const commands = ['alice', 'bob'].map((name) => peerCommand(join(homes.folder, name)))
  const [alice, bob] = commands
  if (alice === undefined || bob === undefined) throw new Error('two were asked for')
  try {
    await homes.settle('alice')
    await homes.settle('bob')
    const content = randomBytes(3 * 1024 * 1024)
    const folder = join(homes.folder, 'photos')
    await mkdir(folder)
    await writeFile(join(folder, 'one.bin'), content)
    await writeFile(join(folder, 'note.txt'), 'a note')
    const saved = join(homes.folder, 'saved')
    await mkdir(saved)

    expect(await bob.json(['cd', saved])).toEqual({ exit: 0, folder: saved })
    expect(await bob.json(['pwd'])).toEqual({ exit: 0, folder: saved })
    expect(await bob.json(['config', 'accept-mb', '0'])).toMatchObject({ exit: 0, acceptMb: 0 })
    expect(await bob.json(['config', 'accept-from', 'alice,@bob'])).toMatchObject({ acceptFrom: ['alice', 'bob'] })
    expect(await bob.json(['config', 'mdns', 'off'])).toMatchObject({ exit: 0, mdns: false, acceptMb: 0 })
    expect(await bob.json(['config', 'quota-mb', 'much'])).toMatchObject({ exit: 1, code: 'input-invalid' })
    expect(await bob.json(['cd', join(homes.folder, 'nowhere')])).toMatchObject({ exit: 1, code: 'file-unreadable' })
    expect(await alice.json(['send', 'nothing-there'])).toMatchObject({ exit: 1, code: 'file-unreadable' })
    expect(await alice.json(['--limit', 'fast', 'files'])).toMatchObject({ exit: 1, code: 'input-invalid' })

    const chat = alice.start(['--json'])
    const told: Told[] = []
    const waiting = new Set<() => void>()
    if (chat.child.stdout === null) throw new Error('no output')
    createInterface({ input: chat.child.stdout }).on('line', (line) => {
      told.push(JSON.parse(line))
      for (const wake of waiting) wake()
    })
    const next = (event: string): Promise<Told> =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = told.find((one) => one.event === event)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      })
    const { addresses } = await next('ready')
    chat.child.stdin?.write(`/send ${folder}\n`)
    const { id } = await next('stored')
    const there = ['--peer', String((addresses as string[])[0])]

    const got = await bob.run([...there, 'get', String(id).slice(0, 10), '--wait', '120', '--json'])
    const lines = got.out
      .trim()
      .split('\n')
      .map((line): Told => JSON.parse(line))
    expect(got.code).toBe(0)
    expect(lines.some(({ event, state, bytes }) => event === 'file' && state === 'fetching' && Number(bytes) > 0)).toBe(
      true,
    )
    expect(lines.at(-1)).toMatchObject({ event: 'whole', path: join(saved, 'photos') })
    expect((await readFile(join(saved, 'photos', 'one.bin'))).equals(content)).toBe(true)
    expect(await bob.json(['ls'])).toMatchObject({ exit: 0, entries: [{ name: 'photos', kind: 'folder' }] })
    expect(await bob.json(['files', '--wait', '0'])).toMatchObject({ files: [{ id, state: 'held', files: 2 }] })
    expect(await bob.json(['files', 'delete', String(id)])).toMatchObject({ exit: 0, event: 'delete', id })
    expect(await bob.json(['ls'])).toMatchObject({ entries: [] })
    expect(await bob.json(['pause', 'ffff', '--wait', '0'])).toMatchObject({ exit: 1, code: 'file-not-held' })
    chat.child.stdin?.end('/quit\n')
    expect((await chat.ended).code).toBe(0)
  } finally {
    for (const command of commands) command.stop()
    await homes[Symbol.asyncDispose]()
    await ca.stop()
  }
})
