import { expect, test } from 'vitest'
import { keptOf, keptWords } from '../../peer/terminal/keep.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../shared/limits.ts'

test.each([
  ['7', { keepMs: 7 * DAY_MS }],
  ['0.5', { keepMs: 12 * HOUR_MS }],
  ['7d', { keepMs: 7 * DAY_MS }],
  ['7 days', { keepMs: 7 * DAY_MS }],
  ['12h', { keepMs: 12 * HOUR_MS }],
  ['1 hour', { keepMs: HOUR_MS }],
  ['30m', { keepMs: 30 * MINUTE_MS }],
  ['30 Minutes', { keepMs: 30 * MINUTE_MS }],
  ['100 messages', { keepMessages: 100 }],
  ['1 message', { keepMessages: 1 }],
  ['forever', { keepMs: 0, keepMessages: 0 }],
])('keep %s', (text, kept) => {
  expect(keptOf(text)).toEqual(kept)
})

test.each([
  '',
  'soon',
  '0',
  '-1',
  '0 messages',
  '7w',
  '1e3',
  '1.5 messages',
  '99999999999999999999',
  '7 8',
  '7 dours',
  '7 ays',
  '1 mines',
])('keep %s says what may be said', (text) => {
  expect(() => keptOf(text)).toThrow(expect.objectContaining({ code: 'input-invalid' }))
})

test.each([
  [{ keepMs: 0, keepMessages: 0 }, 'messages for ever'],
  [{ keepMs: DAY_MS, keepMessages: 0 }, 'messages for 1 day'],
  [{ keepMs: 36 * HOUR_MS, keepMessages: 0 }, 'messages for 36 hours'],
  [{ keepMs: 90 * MINUTE_MS, keepMessages: 50 }, 'the newest 50 messages for 90 minutes'],
  [{ keepMs: 0, keepMessages: 1 }, 'the newest message'],
])('%j is said in words', (kept, words) => {
  expect(keptWords(kept)).toBe(words)
})
