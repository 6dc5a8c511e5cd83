import { expect, test } from 'vitest'
import { type Options, startOnlyNote } from '../../peer/terminal/program-options.ts'

test('who attaches to a device that runs is told which options of theirs it does not heed, and else nothing', () => {
  const attached: Options = {
    home: '/home',
    mdns: true,
    json: true,
    peer: ['/ip4/192.0.2.7'],
    passphraseFile: '/secret',
  }
  const set = (given: Partial<Options>): string | undefined =>
    startOnlyNote({ ...attached, ...given })?.replace(/.*here; /, '')
  expect(startOnlyNote(attached)).toBeNull()
  expect(startOnlyNote({ ...attached, limit: '500' })).toBe(
    'note: a device is running here; --limit is set where it was started',
  )
  expect(set({ mdns: false })).toMatch(/^--no-mdns is set/)
  expect(set({ strict: true, limit: '500' })).toMatch(/^--limit and --strict are set/)
  expect(set({ strict: true, listen: ['/ip4/0.0.0.0/tcp/0'], downloads: '/downloads', mdns: false })).toMatch(
    /^--listen, --downloads, --no-mdns and --strict are set/,
  )
})
