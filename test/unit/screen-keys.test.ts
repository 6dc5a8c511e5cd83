import { expect, test } from 'vitest'
import { type Key, readKeys, readRest } from '../../peer/screen/keys.ts'

const key = (name: string): Key => ({ kind: 'key', name })
const ESC = '\u001b'

test.each([
  ['\r', 'enter'],
  ['\n', 'ctrl-j'],
  [`${ESC}\r`, 'alt-enter'],
  ['\t', 'tab'],
  [`${ESC}[Z`, 'shift-tab'],
  ['\u007f', 'backspace'],
  [`${ESC}\u007f`, 'alt-backspace'],
  ['\u0003', 'ctrl-c'],
  [`${ESC}[A`, 'up'],
  [`${ESC}OA`, 'up'],
  [`${ESC}[1;3A`, 'alt-up'],
  [`${ESC}${ESC}[A`, 'alt-up'],
  [`${ESC}[1;5D`, 'ctrl-left'],
  [`${ESC}[1;2B`, 'shift-down'],
  [`${ESC}[5~`, 'pageup'],
  [`${ESC}[6~`, 'pagedown'],
  [`${ESC}[3~`, 'delete'],
  [`${ESC}[H`, 'home'],
  [`${ESC}[4~`, 'end'],
  [`${ESC}OP`, 'f1'],
  [`${ESC}[11~`, 'f1'],
  [`${ESC}a`, 'alt-a'],
  [`${ESC}3`, 'alt-3'],
  [`${ESC}[I`, 'focus'],
  [`${ESC}[O`, 'blur'],
  [`${ESC}[13;2u`, 'shift-enter'],
])('%j is %s', (input, name) => {
  expect(readKeys(input)).toEqual({ keys: [key(name)], rest: '' })
})

test('text comes in one piece, and keys between it', () => {
  expect(readKeys('grüß\r👍').keys).toEqual([
    { kind: 'text', text: 'grüß' },
    key('enter'),
    { kind: 'text', text: '👍' },
  ])
})

test('a sequence that comes in parts is one key, and what is pasted is no key, whatever it holds', () => {
  const paste = `${ESC}[200~one\r\ntwo${ESC}[A${ESC}[201~`
  for (const input of [`${ESC}[5~`, paste]) {
    for (let at = 1; at < input.length; at++) {
      const first = readKeys(input.slice(0, at))
      expect(first.keys).toEqual([])
      expect(readKeys(first.rest + input.slice(at))).toEqual(readKeys(input))
    }
  }
  expect(readKeys(paste).keys).toEqual([{ kind: 'paste', text: `one\ntwo${ESC}[A` }])
})

test('Escape alone is a key once nothing follows; before another control key it is one at once', () => {
  expect(readKeys(ESC)).toEqual({ keys: [], rest: ESC })
  expect(readRest(ESC)).toEqual([key('esc')])
  expect(readRest(`${ESC}[`)).toEqual([key('esc'), { kind: 'text', text: '[' }])
  expect(readKeys(`${ESC}\u0003`).keys).toEqual([key('esc'), key('ctrl-c')])
})

test('a sequence that nobody knows is left out', () => {
  expect(readKeys(`a${ESC}[99;99zb`).keys).toEqual([
    { kind: 'text', text: 'a' },
    { kind: 'text', text: 'b' },
  ])
})
