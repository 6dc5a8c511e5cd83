import { type Refusal, refuse } from '../../shared/errors.ts'
import { FILE_NAME_MAX_BYTES } from '../../shared/limits.ts'

// Two ends: the sender's side turns any name of its disk into a plain one (`toPlainName`), so that nobody has to rename a
// file in order to send it; the receiver's side takes plain names only (`safeFileName`), and repairs nothing that a
// stranger chose.

// Separators of any system, what Windows forbids in a name, and `:`, which names a stream of a file there.
const FORBIDDEN = /[/\\<>:"|?*]/u
// Control characters; format characters, which hide or turn around what is shown (`exe.txt` for `txt.exe`), except the two
// joiners that Persian, Indic and emoji writing needs; separators that are no plain space; blanks that are letters.
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}|(?! )\p{Zs}|[\u115f\u1160\u2800\u3164\uffa0]/u
// What Windows opens as a device, whatever the ending (Microsoft, "Naming Files, Paths, and Namespaces").
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\.|$)/iu
// `.`, `..`, files that hide, and a name that a command would take for an option.
const BAD_START = /^[. -]/u
// Windows drops them: the name on the disk would be another than the one that was checked.
const BAD_END = /[. ]$/u

const encoder = new TextEncoder()

/** The name in Unicode's composed form (NFC), or `file-name-unsafe` for all that is not one plain, visible name. */
export const safeFileName = (name: string): string | Refusal => {
  const unsafe = (why: string) => refuse('file-name-unsafe', why)
  if (!name.isWellFormed()) return unsafe('broken Unicode')
  const composed = name.normalize('NFC')
  if (composed === '') return unsafe('empty')
  if (FORBIDDEN.test(composed)) return unsafe('a separator, or a character that no name may have')
  if (UNSEEN.test(composed)) return unsafe('a character that is not seen')
  if (BAD_START.test(composed)) return unsafe('begins with a dot, a space or a hyphen')
  if (BAD_END.test(composed)) return unsafe('ends with a dot or a space')
  if (DEVICE.test(composed)) return unsafe('the name of a device')
  if (bytesOf(composed) > FILE_NAME_MAX_BYTES) return unsafe(`over ${FILE_NAME_MAX_BYTES} bytes`)
  return composed
}

/** The nearest name that `safeFileName` takes: for the offer of a file of our own. */
export const toPlainName = (name: string): string => {
  const seen = name
    .toWellFormed()
    .normalize('NFC')
    .replace(/\p{Zs}/gu, ' ')
    .replace(new RegExp(FORBIDDEN, 'gu'), '_')
    .replace(new RegExp(UNSEEN, 'gu'), '')
    .normalize('NFC') // what stood apart may compose now
    .replace(/[. ]+$/u, '')
    .replace(/^ +/u, '')
  const [stem, ending] = splitEnding(seen)
  const started = BAD_START.test(stem) || DEVICE.test(seen) || stem === '' ? `_${stem}` : stem
  return fitted(started, '', ending)
}

/** `name.txt`, `name (2).txt`, `name (3).txt` …: where the first is taken, the next is tried. Never over the limit. */
export const numberedName = (name: string, number: number): string => {
  if (number === 1) return name
  const [stem, ending] = splitEnding(name)
  return fitted(stem, ` (${number})`, ending)
}

/** The longest beginning of `stem` that fits, cut between characters; the ending stays, since it says what the file is. */
const fitted = (stem: string, number: string, ending: string): string => {
  const room = FILE_NAME_MAX_BYTES - bytesOf(number) - bytesOf(ending)
  if (bytesOf(stem) <= room) return stem + number + ending
  let kept = ''
  let bytes = 0
  for (const character of stem) {
    bytes += bytesOf(character)
    if (bytes > room) break
    kept += character
  }
  // The cut may have laid bare a space, which would be wrong at the end of a name without an ending.
  return kept.replace(/[. ]+$/u, '') + number + ending
}

// An ending longer than any program's is part of the name.
const ENDING = /^(.+?)((?:\.tar)?\.[^.]{1,16})$/su

const splitEnding = (name: string): readonly [string, string] => {
  const [, stem, ending] = ENDING.exec(name) ?? []
  return stem === undefined || ending === undefined ? [name, ''] : [stem, ending]
}

const bytesOf = (text: string): number => encoder.encode(text).byteLength
