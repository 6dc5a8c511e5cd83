import { open } from 'node:fs/promises'
import { PREVIEW_BYTES, PREVIEW_CHARACTERS } from '../../shared/limits.ts'

/** One line that tells what is in a file: how large a picture is, or how a text begins. Nothing is opened but its first bytes. */
export const previewOf = async (path: string, type: string): Promise<string | null> => {
  if (!type.startsWith('image/') && !type.startsWith('text/')) return null
  const head = await headOf(path)
  if (head === null) return null
  if (type.startsWith('text/')) return textLine(head)
  const size = pngSize(head) ?? gifSize(head) ?? jpegSize(head) ?? webpSize(head)
  return size === null ? null : `${size.kind}, ${size.width} × ${size.height}`
}

const headOf = async (path: string): Promise<DataView | null> => {
  try {
    await using file = await open(path, 'r')
    const bytes = new Uint8Array(PREVIEW_BYTES)
    const { bytesRead } = await file.read(bytes)
    return new DataView(bytes.buffer, 0, bytesRead)
  } catch {
    return null
  }
}

type Picture = { readonly kind: string; readonly width: number; readonly height: number }

const textLine = (head: DataView): string | null => {
  const text = new TextDecoder().decode(head)
  if (text.includes('\0')) return null // it only says that it is a text
  const [line] = text.split(/\r?\n/).filter((one) => one.trim() !== '')
  if (line === undefined) return null
  const characters = [...line.trim()]
  const cut = characters.length > PREVIEW_CHARACTERS
  return `“${characters.slice(0, PREVIEW_CHARACTERS).join('')}${cut ? '…' : ''}”`
}

const starts = (head: DataView, bytes: readonly number[]): boolean =>
  head.byteLength >= bytes.length && bytes.every((byte, at) => head.getUint8(at) === byte)

// PNG (W3C, third edition) §11.2.1: IHDR comes first, with width and height.
const pngSize = (head: DataView): Picture | null =>
  starts(head, [0x89, 0x50, 0x4e, 0x47]) && head.byteLength >= 24
    ? { kind: 'PNG', width: head.getUint32(16), height: head.getUint32(20) }
    : null

// GIF89a §18: the logical screen descriptor.
const gifSize = (head: DataView): Picture | null =>
  starts(head, [0x47, 0x49, 0x46, 0x38]) && head.byteLength >= 10
    ? { kind: 'GIF', width: head.getUint16(6, true), height: head.getUint16(8, true) }
    : null

// ITU-T T.81 §B.2.2: the frame header, behind whatever segments come first.
const jpegSize = (head: DataView): Picture | null => {
  if (!starts(head, [0xff, 0xd8])) return null
  for (let at = 2; at + 9 <= head.byteLength; ) {
    if (head.getUint8(at) !== 0xff) return null
    const marker = head.getUint8(at + 1)
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return { kind: 'JPEG', width: head.getUint16(at + 7), height: head.getUint16(at + 5) }
    at += 2 + head.getUint16(at + 2)
  }
  return null
}

// RFC 9649 §2.7: the extended header has the size of the canvas.
const webpSize = (head: DataView): Picture | null => {
  if (!starts(head, [0x52, 0x49, 0x46, 0x46]) || head.byteLength < 30) return null
  if (head.getUint32(12) !== 0x56503858) return null // "VP8X"
  const three = (at: number): number => head.getUint16(at, true) + head.getUint8(at + 2) * 0x10000 + 1
  return { kind: 'WebP', width: three(24), height: three(27) }
}
