import { describe, expect, test } from 'vitest'
import { callsFor, mentionsOf } from '../../peer/rooms/mentions.ts'
import { MENTIONS_MAX } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'

const users = new Set(['anna', 'anna.', 'bob', 'carol-ann', 'd_e'])
const called = (text: string) => {
  const { users: some, all } = mentionsOf(text, (name) => users.has(name))
  return [...some, ...(all ? ['@all'] : [])]
}

describe('a mention', () => {
  test.each([
    ['@bob lunch?', ['bob']],
    ['lunch, @bob?', ['bob']],
    ['(@bob)', ['bob']],
    ['@Bob and @CAROL-ANN', ['bob', 'carol-ann']],
    ['@d_e', ['d_e']],
    ['ask @bob.', ['bob']],
    ['ask @bob...', ['bob']],
    ['@anna. is a name of its own', ['anna.']],
    ['@anna, too', ['anna']],
    ['@bob @bob', ['bob']],
    ['@all: lunch', ['@all']],
  ])('%s', (text, names) => {
    expect(called(text)).toEqual(names)
  })

  test.each(['bob', 'me@bob.example', '@bobby', '@nobody', '@', 'bob@all', '@@bob', ''])('is not in “%s”', (text) => {
    expect(called(text)).toEqual([])
  })
})

test('calls those it names, and all', () => {
  expect(callsFor({ users: [user('bob')], all: false }, user('bob'))).toBe(true)
  expect(callsFor({ users: [user('bob')], all: false }, user('anna'))).toBe(false)
  expect(callsFor({ users: [], all: true }, user('anna'))).toBe(true)
})

test('a text calls so many users and no more', () => {
  const many = Array.from({ length: 2 * MENTIONS_MAX }, (_, at) => `@user${at}`).join(' ')
  expect(mentionsOf(many, () => true).users).toHaveLength(MENTIONS_MAX)
})
