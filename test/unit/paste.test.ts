import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { partsOf } from '../../peer/terminal/paste.ts'

const bytes = (text: string): number => Buffer.byteLength(text)

describe('what a program prints, as messages', () => {
  test('loses its colours and its carriage returns, and is one message when it fits', () => {
    const printed = '\n\u001b[1;31merror\u001b[0m: no\r\n  such file\r\n\n'
    expect(partsOf(printed, { code: false, maxBytes: 100 })).toEqual(['error: no\n  such file'])
    expect(partsOf(' \n\t\n', { code: true, maxBytes: 100 })).toEqual([])
  })

  test('as code it stands between fences, which are longer than any within', () => {
    expect(partsOf('a\n```\nb', { code: true, maxBytes: 100 })).toEqual(['````\na\n```\nb\n````'])
  })

  test('is parted at the ends of lines, a long line where it must be, and no character is ever parted', () => {
    expect(partsOf('one\ntwo\nthree', { code: false, maxBytes: 8 })).toEqual(['one\ntwo', 'three'])
    expect(partsOf('one\ntwo', { code: true, maxBytes: 12 })).toEqual(['```\none\n```', '```\ntwo\n```'])
    expect(partsOf('äöü👍', { code: false, maxBytes: 5 })).toEqual(['äö', 'ü', '👍'])
  })

  test('whatever it is, each part fits, and together they are all of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.boolean(), (text, code) => {
        const parts = partsOf(text, { code, maxBytes: 120 })
        for (const part of parts) expect(bytes(part)).toBeLessThanOrEqual(120)
        const said = parts.map((part) => (code ? part.split('\n').slice(1, -1).join('') : part)).join('')
        const all = partsOf(text, { code: false, maxBytes: 1e9 }).join('')
        expect(said.replace(/\s/g, '')).toBe(all.replace(/\s/g, ''))
      }),
    )
  })
})
