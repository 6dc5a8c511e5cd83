import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { numberedName, safeFileName, toPlainName } from '../../peer/files/name.ts'
import { isRefusal } from '../../shared/errors.ts'
import { FILE_NAME_MAX_BYTES } from '../../shared/limits.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text).byteLength

const HOSTILE: [string, string][] = [
  ['empty', ''],
  ['this folder', '.'],
  ['the folder above', '..'],
  ['three dots', '...'],
  ['a way up', '../evil'],
  ['a way up and down', '../../etc/passwd'],
  ['a way up, Windows', '..\\evil'],
  ['an absolute path', '/etc/passwd'],
  ['an absolute path, Windows', 'C:\\Windows\\system32\\evil.dll'],
  ['a drive', 'C:evil.txt'],
  ['a network share', '\\\\server\\share\\x'],
  ['a device path', '\\\\.\\PhysicalDrive0'],
  ['a separator inside', 'a/b'],
  ['a separator at the end', 'a/'],
  ['a backslash inside', 'a\\b'],
  ['a NUL', 'a.txt\0.exe'],
  ['a newline', 'a\nb'],
  ['a carriage return', 'a\rb'],
  ['a tab', 'a\tb'],
  ['an escape sequence', 'a\u001b[2Jb'],
  ['a C1 control', 'a\u009bb'],
  ['DEL', 'a\u007fb'],
  ['a bidi override', 'report\u202efdp.exe'],
  ['a bidi isolate', 'report\u2066fdp.exe\u2069'],
  ['a right-to-left mark', 'a\u200fb'],
  ['an Arabic letter mark', 'a\u061cb'],
  ['a zero-width space', 'a\u200bb'],
  ['a byte-order mark', '\ufeffa.txt'],
  ['a soft hyphen', 'a\u00adb'],
  ['a word joiner', 'a\u2060b'],
  ['a line separator', 'a\u2028b'],
  ['a paragraph separator', 'a\u2029b'],
  ['a no-break space', 'a\u00a0b'],
  ['an em space', 'a.pdf\u2003.exe'],
  ['a Hangul filler', '\u3164.txt'],
  ['a blank Braille cell', '\u2800'],
  ['a tag character', 'a\u{e0041}b'],
  ['a lone surrogate', 'a\ud800b'],
  ['an alternate data stream', 'a.txt:evil'],
  ['a wildcard', 'a*.txt'],
  ['a question mark', 'what?.txt'],
  ['a redirection', 'a>b'],
  ['a pipe', 'a|b'],
  ['a quote', 'a"b'],
  ['a hidden file', '.bashrc'],
  ['our own part file', '.lanyard-00112233.part'],
  ['an option', '-rf'],
  ['a space before', ' a.txt'],
  ['a space behind', 'a.txt '],
  ['a dot behind', 'a.txt.'],
  ['only spaces', '   '],
  ['CON', 'CON'],
  ['con in lower case', 'con'],
  ['con with an ending', 'con.txt'],
  ['con with two endings', 'con.tar.gz'],
  ['NUL', 'NUL'],
  ['NUL with a space before its ending', 'NUL .txt'],
  ['AUX', 'aux.h'],
  ['PRN', 'Prn'],
  ['COM1', 'COM1'],
  ['LPT9', 'lpt9.log'],
  ['COM with a superscript', 'COM¹.txt'],
  ['the console', 'CONIN$'],
  ['256 bytes', 'a'.repeat(256)],
  ['256 bytes in fewer characters', 'ä'.repeat(128)],
  ['a name that grows over the limit when it is composed', '\u{1d15e}'.repeat(60)],
]

const PLAIN = [
  'report.pdf',
  'Übersicht 2024.ods',
  '写真.jpg',
  'می‌خواهم.txt',
  '👩‍👩‍👧.png',
  'a.tar.gz',
  'a..b',
  'no ending',
  'console.log',
  'com10.txt',
  'null',
  'auxiliary',
  "it's (2) [final] {v3}, #1 & $5 = 50% ~ok@home+.txt",
  'a'.repeat(255),
  'x',
]

describe('a name that somebody else chose', () => {
  test.each(HOSTILE)('is refused: %s', (_, name) => {
    expect(safeFileName(name)).toMatchObject({ kind: 'refusal', code: 'file-name-unsafe' })
  })

  test.each(PLAIN)('is taken as it is: %s', (name) => {
    expect(safeFileName(name)).toBe(name)
  })

  test('is composed, so that one name has one form on every system', () => {
    expect(safeFileName('e\u0301.txt')).toBe('\u00e9.txt')
  })
})

// Letters that mean trouble, much more often than chance would have them.
const awkward = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '.',
      ' ',
      '-',
      '/',
      '\\',
      ':',
      'c',
      'o',
      'n',
      '\u202e',
      '\u0301',
      'e',
      '\u3164',
      '\0',
      'ä',
      '\u00a0',
    ),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
  maxLength: 320,
})

describe('a name of our own', () => {
  test.each(HOSTILE)('becomes one that others take: %s', (_, name) => {
    const plain = toPlainName(name)
    expect(safeFileName(plain)).toBe(plain)
  })

  test.each(PLAIN)('stays as it is when it is plain: %s', (name) => {
    expect(toPlainName(name)).toBe(name)
  })

  test('whatever it is, becomes one that others take', () => {
    fc.assert(
      fc.property(awkward, (name) => {
        const plain = toPlainName(name)
        expect(safeFileName(plain)).toBe(plain)
      }),
      { numRuns: 2_000 },
    )
  })

  test('that is cut in front of a space does not end in one', () => {
    expect(toPlainName(`${'a'.repeat(254)} b`)).toBe('a'.repeat(254))
  })

  test('keeps its ending when it is too long', () => {
    expect(toPlainName(`${'ä'.repeat(300)}.tar.gz`)).toMatch(/^ä+\.tar\.gz$/u)
  })
})

describe('a name that is taken', () => {
  test.each([
    ['a.txt', 1, 'a.txt'],
    ['a.txt', 2, 'a (2).txt'],
    ['a.tar.gz', 3, 'a (3).tar.gz'],
    ['no ending', 2, 'no ending (2)'],
    ['a..b', 2, 'a. (2).b'],
  ])('%s, the %i., is %s', (name, number, numbered) => {
    expect(numberedName(name, number)).toBe(numbered)
  })

  test('gets a number, and stays safe and within the limit', () => {
    fc.assert(
      fc.property(awkward, fc.integer({ min: 2, max: 1_000 }), (name, number) => {
        const safe = safeFileName(toPlainName(name))
        if (isRefusal(safe)) throw new Error(safe.code)
        const numbered = numberedName(safe, number)
        expect(numbered).not.toBe(safe)
        expect(numbered).toContain(` (${number})`)
        expect(bytesOf(numbered)).toBeLessThanOrEqual(FILE_NAME_MAX_BYTES)
        expect(safeFileName(numbered)).toBe(numbered)
      }),
      { numRuns: 1_000 },
    )
  })
})
