import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byBytes, placesOf, safePath, type Tree, treeFault } from '../../peer/files/path.ts'
import { isRefusal } from '../../shared/errors.ts'
import { FILE_PATH_MAX_BYTES, FILE_PATH_MAX_DEPTH } from '../../shared/limits.ts'

/** What no path of a folder that somebody else offers may be: each of them alone, below a folder, and with something below. */
const HOSTILE: readonly string[] = [
  '',
  '.',
  '..',
  '...',
  '. ',
  ' .',
  '.. ',
  ' ..',
  '..;',
  './x',
  '../x',
  'a/..',
  'a/../b',
  'a/../../b',
  'a/./b',
  'a//b',
  '/',
  '//',
  '/etc/passwd',
  '//server/share',
  'a/',
  '/a',
  '..\\x',
  'a\\b',
  '\\a',
  '\\\\server\\share\\x',
  '\\\\?\\C:\\x',
  '\\\\.\\PhysicalDrive0',
  '\\??\\C:\\x',
  'C:',
  'C:x',
  'C:\\x',
  'C:/x',
  'c:/windows/system32',
  'file:///etc/passwd',
  'a:b',
  'a.txt:stream',
  'a.txt::$DATA',
  '~/.ssh/authorized_keys ',
  'CON',
  'con',
  'Con.txt',
  'con .txt',
  'con.tar.gz',
  'PRN',
  'prn.x',
  'AUX',
  'aux.c',
  'NUL',
  'nul.txt',
  'COM1',
  'com2.log',
  'COM9',
  'COM0',
  'com¹',
  'COM².txt',
  'LPT1',
  'lpt3.x',
  'LPT³',
  'CONIN$',
  'conout$',
  'CLOCK$',
  '.con',
  '.nul.txt',
  'a\0b',
  '\0',
  'a.txt\0.exe',
  'a\nb',
  'a\rb',
  'a\tb',
  'a\u0001b',
  'a\u001b[2Jb',
  'a\u007fb',
  'a\u0085b',
  'a\u009bb',
  'a\u202ab',
  'a\u202bb',
  'a\u202db',
  'a\u202efdp.exe',
  'a\u2066b',
  'a\u2067b',
  'a\u2068b',
  'a\u2069b',
  'a\u200eb',
  'a\u200fb',
  'a\u061cb',
  'a\u200bb',
  'a\u2060b',
  '\ufeffa',
  'a\u00adb',
  'a\u2028b',
  'a\u2029b',
  'a\u00a0b',
  'a\u2003.exe',
  '\u3164',
  '\u2800',
  'a\u{e0041}b',
  'a\ud800b',
  'a\udc00',
  'a.',
  'a..',
  'a ',
  'a. ',
  'a .',
  ' a',
  '-rf',
  '--help',
  'a*b',
  'a?b',
  'a<b',
  'a>b',
  'a|b',
  'a"b',
  '.. .',
  '.lanyard-00112233.part',
  '.LANYARD-00112233.note',
  '.-rf',
  '..a',
  '. a',
  'a'.repeat(256),
  `.${'a'.repeat(256)}`,
  'ä'.repeat(128),
  Array.from({ length: FILE_PATH_MAX_DEPTH + 1 }, () => 'a').join('/'),
  `${'a/'.repeat(FILE_PATH_MAX_BYTES / 2)}a`,
]

const treeOf = (paths: readonly string[], folders: readonly string[] = []): Tree => ({
  files: paths.map((path) => ({ path, size: 1 })),
  folders,
})

describe('a path that somebody else chose', () => {
  test(`the table has at least a hundred attacks, and no two alike`, () => {
    expect(new Set(HOSTILE).size).toBe(HOSTILE.length)
    expect(HOSTILE.length).toBeGreaterThanOrEqual(100)
  })

  test.each(HOSTILE.map((path) => [JSON.stringify(path.slice(0, 40)), path]))('is refused: %s', (_, path) => {
    for (const whole of [path, `folder/${path}`, `${path}/file.txt`, `folder/${path}/file.txt`]) {
      expect(safePath(whole)).toMatchObject({ kind: 'refusal', code: 'file-name-unsafe' })
      expect(placesOf(treeOf([whole]))).toMatchObject({ code: 'file-name-unsafe' })
      expect(placesOf(treeOf([], [whole]))).toMatchObject({ code: 'file-name-unsafe' })
    }
  })

  test.each([
    'a',
    'a/b/c.txt',
    '.gitignore',
    'src/.env.example',
    'Übersicht 2024/März.ods',
    '写真/東京.jpg',
    'می‌خواهم/نامه.txt',
    '👩‍👩‍👧/😀.png',
    'a (2).txt',
    Array.from({ length: FILE_PATH_MAX_DEPTH }, () => 'a').join('/'),
  ])('is taken: %s', (path) => {
    expect(safePath(path)).toEqual(path.split('/'))
  })

  test('whatever it is, what is taken leads downwards only', () => {
    const part = fc.oneof(
      fc.constantFrom('..', '.', '', 'a', 'B', '.x', 'con', 'a ', '~', '\\', 'é', 'e\u0301'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const safe = safePath(parts.join('/'))
        if (isRefusal(safe)) return
        for (const one of safe) expect(one).not.toMatch(/^\.*$|[/\\\0:]/)
        const places = placesOf(treeOf([parts.join('/')]))
        expect(isRefusal(places) ? places : places.files).toEqual([safe.join('/')])
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('paths that are alike to some disk', () => {
  test.each([
    [
      ['README', 'readme'],
      ['README', 'readme (2)'],
    ],
    [
      ['a.txt', 'A.TXT', 'A.txt'],
      ['a.txt', 'A (2).TXT', 'A (3).txt'],
    ],
    [
      ['e\u0301.txt', '\u00e9.txt'],
      ['\u00e9.txt', '\u00e9 (2).txt'],
    ],
    [
      ['Docs/a', 'docs/a'],
      ['Docs/a', 'docs (2)/a'],
    ],
    [
      ['Docs/a', 'docs'],
      ['Docs/a', 'docs (2)'],
    ],
    [
      ['stra\u00dfe', 'STRASSE'],
      ['stra\u00dfe', 'STRASSE (2)'],
    ],
    [
      ['ﬁle', 'file'],
      ['ﬁle', 'file (2)'],
    ],
    [
      ['a', 'A', 'a (2)'],
      ['a', 'A (2)', 'a (2) (2)'],
    ],
  ])('%j land as %j', (paths, places) => {
    expect(placesOf(treeOf(paths))).toMatchObject({ files: places })
  })

  test('never land on one another, and land alike each time', () => {
    const name = fc.constantFrom('a', 'A', 'é', 'e\u0301', 'É', 'b', 'a (2)', 'ß', 'SS', 'ss')
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 20 }), (paths) => {
        const tree = treeOf(paths.toSorted(byBytes))
        const places = placesOf(tree)
        if (isRefusal(places)) throw new Error(places.detail)
        const folded = places.files.map((one) => one.normalize('NFC').toUpperCase().toLowerCase())
        expect(new Set(folded).size).toBe(paths.length)
        expect(placesOf(tree)).toEqual(places)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('a tree', () => {
  test.each([
    ['out of order', ['b', 'a'], []],
    ['with a path twice', ['a', 'a'], []],
    ['with a folder twice', [], ['a', 'a']],
    ['with a file that is a folder', ['a', 'a-b', 'a/b'], []],
    ['with a file that is a folder further up', ['a', 'a/b/c/d'], []],
    ['with a file that is an empty folder', ['a'], ['a']],
    ['with a file above an empty folder', ['a'], ['a/b']],
    ['with an empty folder that is not', ['a/b'], ['a']],
    ['with an empty folder in an empty one', [], ['a', 'a/b']],
  ])('%s is refused', (_, paths, folders) => {
    expect(treeFault(treeOf(paths, folders))).not.toBeNull()
  })

  test('in the order of its bytes is sound', () => {
    expect(treeFault(treeOf(['A', 'a', 'a-b/c', 'a0', 'é', '\uffee', '\u{1f600}'], ['z', 'z1/y']))).toBeNull()
    expect(treeFault(treeOf([]))).toBeNull()
  })
})
