import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseInvite } from '../../shared/invite.ts'
import { caCommand } from '../support/ca-command.ts'
import { PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string): Promise<string> => readFile(join(ROOT, 'ca-node/deploy', file), 'utf8')

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())

/** What the unit runs, and what the container does, as they are written. */
const COMMANDS: Record<string, () => Promise<readonly string[]>> = {
  'the systemd unit': async () => /^ExecStart=(.*)$/m.exec(await read('lanyard-ca.service'))?.[1]?.split(' ') ?? [],
  'the container': async () => JSON.parse(/^ENTRYPOINT (.*)$/m.exec(await read('Containerfile'))?.[1] ?? '[]'),
}

test.each(Object.entries(COMMANDS))(
  '%s serves by its own command line, and puts no invite into its log',
  async (name, command) => {
    const place = join(folder.path, name.replaceAll(' ', '-'))
    const home = join(place, 'lanyard-ca')
    await mkdir(place)
    await writeFile(join(place, 'ca-passphrase'), `${PASSPHRASE}\n`)
    const line = await command()
    // systemd puts the folder of the state and that of the credentials in; the container has them at these paths.
    const [program = '', ...args] = line.map((word) =>
      word
        .replace('%S/lanyard-ca', home)
        .replace('/home/node/ca', home)
        .replace('%d', place)
        .replace('/run/secrets', place)
        .replace('/opt/lanyard/', ROOT)
        .replace('/ip4/0.0.0.0/tcp/4100', '/ip4/127.0.0.1/tcp/0') // where this machine has room, and nobody hears it
        .replace('4180', '0'),
    )
    expect(program).toMatch(/^(\/usr\/bin\/)?node$/)
    expect(args).toContain('--no-invite')
    if (!args.includes('--listen')) args.push('--listen', '/ip4/127.0.0.1/tcp/0')
    const start = () => spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    const serving = caCommand(home, {}, start).start([])
    await serving.until('\n', 'out')
    expect(Object.keys(JSON.parse(serving.said.out))).not.toContain('invite')
    const beside = caCommand(home)
    const [invite = ''] = await beside.invites(1)
    expect(parseInvite(invite)).toHaveProperty('token')
    expect(JSON.parse((await beside.run(['status', '--json'])).out)).toMatchObject({ openInvites: 1 })
    serving.child.kill('SIGTERM')
    expect(await serving.ended).toBe(0)
    expect(serving.said.out + serving.said.err).not.toContain('lanyard://')
  },
)

test('both have Node as new as ours, and none of what is only for development', async () => {
  const { engines, dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  const container = await read('Containerfile')
  const unit = await read('lanyard-ca.service')
  const [major, minor] = /(\d+)\.(\d+)/.exec(engines.node)?.slice(1) ?? []
  expect(container).toContain(`node:${major}-slim`)
  expect(unit).toContain(`Node ${major}.${minor} or newer`)
  for (const file of [container, unit]) expect(file).toContain('npm ci --omit=dev')
  expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(['commander', 'kysely', 'libp2p', 'pino', 'qrcode']))
})
