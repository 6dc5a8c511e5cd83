import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openChunk, type SealedFile, sealChunk } from '../../peer/files/chunk.ts'
import { chunkCount, chunkLength } from '../../peer/files/extent.ts'
import { decodeManifest, isChunk, type Manifest, manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { codec } from '../../shared/codec.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'
import { CHUNK_BYTES, MANIFEST_MAX_BYTES, MANIFEST_MAX_CHUNKS, MANIFEST_MAX_ENTRIES } from '../../shared/limits.ts'

const chunks = [new Uint8Array(CHUNK_BYTES).fill(1), new Uint8Array(CHUNK_BYTES).fill(2), new Uint8Array(77).fill(3)]
const [first, second, last] = chunks as [Uint8Array, Uint8Array, Uint8Array]
const manifest: Manifest = {
  size: 2 * CHUNK_BYTES + 77,
  chunkBytes: CHUNK_BYTES,
  hashes: new Uint8Array(chunks.flatMap((chunk) => [...sha256(chunk)])),
}
const offered = { size: manifest.size, manifest: manifestHash(manifest) }
const file: SealedFile = { key: new Uint8Array(randomBytes(32)), manifest, manifestHash: offered.manifest }

const sealed = (index: number, chunk: Uint8Array, of: SealedFile = file) => {
  const made = sealChunk(of, index, chunk)
  if (isRefusal(made)) throw new Error(made.code)
  return made
}

describe('a manifest', () => {
  test('round-trips', () => {
    expect(decodeManifest(manifestBytes(manifest), offered)).toEqual(manifest)
  })

  test('of the empty file has no chunks', () => {
    const empty: Manifest = { size: 0, chunkBytes: CHUNK_BYTES, hashes: new Uint8Array(0) }
    expect(chunkCount(empty)).toBe(0)
    expect(decodeManifest(manifestBytes(empty), { size: 0, manifest: manifestHash(empty) })).toEqual(empty)
  })

  test('of the largest file fits its limit, and one chunk more does not', () => {
    const of = (count: number): Manifest => ({
      size: count * CHUNK_BYTES,
      chunkBytes: CHUNK_BYTES,
      hashes: new Uint8Array(count * 32),
    })
    const decoded = (large: Manifest) =>
      decodeManifest(manifestBytes(large), { size: large.size, manifest: manifestHash(large) })
    expect(isRefusal(decoded(of(MANIFEST_MAX_CHUNKS)))).toBe(false)
    expect(decoded(of(MANIFEST_MAX_CHUNKS + 1))).toMatchObject({ code: 'file-manifest-wrong' })
  })

  test.each<[string, Partial<Manifest>]>([
    ['of another size', { size: manifest.size + 1 }],
    ['with a hash too few', { hashes: manifest.hashes.subarray(32) }],
    ['with half a hash', { hashes: manifest.hashes.subarray(16) }],
    ['with a hash too many', { hashes: new Uint8Array(4 * 32) }],
    ['with smaller chunks', { chunkBytes: 1 }],
    ['with chunks of no bytes', { chunkBytes: 0 }],
    ['with a negative size', { size: -1 }],
    ['with a broken size', { size: 1.5 }],
    ['with a size beyond whole numbers', { size: 2 ** 60 }],
  ])('%s is refused, though its hash was offered', (_, change) => {
    const encoded = manifestBytes({ ...manifest, ...change })
    expect(decodeManifest(encoded, { ...offered, manifest: sha256(encoded) })).toMatchObject({
      kind: 'refusal',
      code: 'file-manifest-wrong',
    })
  })

  test('with any byte altered is refused', () => {
    const encoded = manifestBytes(manifest)
    fc.assert(
      fc.property(fc.nat(encoded.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = encoded.map((byte, index) => (index === at ? byte ^ flip : byte))
        expect(decodeManifest(altered, offered)).toMatchObject({ code: 'file-manifest-wrong' })
      }),
    )
  })

  test('that is no CBOR at all is refused, whoever vouches for it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (junk) => {
        expect(decodeManifest(junk, { size: 1, manifest: sha256(junk) })).toMatchObject({ code: 'file-manifest-wrong' })
      }),
    )
  })

  test('covers every byte of the file once', () => {
    fc.assert(
      fc.property(fc.nat(50 * CHUNK_BYTES), (size) => {
        const extent = { size, chunkBytes: CHUNK_BYTES }
        const lengths = Array.from({ length: chunkCount(extent) }, (_, index) => chunkLength(extent, index))
        expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(size)
        expect(lengths.every((length) => length > 0)).toBe(true)
        expect(chunkLength(extent, chunkCount(extent))).toBe(0)
      }),
    )
  })
})

describe('a chunk', () => {
  test.each(chunks.map((chunk, index) => [index, chunk] as const))('%i opens to its bytes', (index, chunk) => {
    const opened = openChunk(file, index, sealed(index, chunk))
    expect(isRefusal(opened) ? opened : Buffer.compare(opened, chunk)).toBe(0)
  })

  test('is sealed and opened in its own memory as elsewhere', () => {
    for (const [index, chunk] of chunks.entries()) {
      const memory = new Uint8Array(chunk)
      const there = orThrow(sealChunk(file, index, memory, memory))
      expect(there.ciphertext.buffer).toBe(memory.buffer)
      expect(Buffer.compare(there.ciphertext, sealed(index, chunk).ciphertext)).toBe(0)
      const opened = orThrow(openChunk(file, index, there, there.ciphertext))
      expect(opened.buffer).toBe(memory.buffer)
      expect(Buffer.compare(opened, chunk)).toBe(0)
    }
  })

  test('is sealed only when it is what the manifest says, so that a nonce never meets two plaintexts', () => {
    for (const [index, wrong] of [
      [0, second],
      [1, first],
      [2, first],
      [0, last],
      [2, last.map(() => 4)],
    ] as const) {
      expect(sealChunk(file, index, wrong)).toMatchObject({ kind: 'refusal', code: 'file-changed' })
    }
    expect(sealed(2, last)).toEqual(sealed(2, last))
  })

  test.each([-1, 3, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('number %d does not exist', (index) => {
    expect(isChunk(manifest, index, first)).toBe(false)
    expect(sealChunk(file, index, first)).toMatchObject({ code: 'file-changed' })
    expect(openChunk(file, index, sealed(0, first))).toMatchObject({ code: 'file-chunk-wrong' })
  })

  test('does not open in another place, under another key, or for another file', () => {
    const box = sealed(0, first)
    expect(openChunk(file, 1, box)).toMatchObject({ code: 'file-chunk-wrong' })
    expect(openChunk({ ...file, key: new Uint8Array(32) }, 0, box)).toMatchObject({ code: 'file-chunk-wrong' })
    const renamed = { ...file, manifestHash: new Uint8Array(32) }
    expect(openChunk(renamed, 0, box)).toMatchObject({ code: 'file-chunk-wrong' })
  })

  test('does not open when a byte of it or of its tag is altered, or when it is cut', () => {
    const { ciphertext, tag } = sealed(2, last)
    const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
    for (let at = 0; at < ciphertext.byteLength; at++) {
      expect(openChunk(file, 2, { ciphertext: flipped(ciphertext, at), tag })).toMatchObject({
        code: 'file-chunk-wrong',
      })
    }
    for (let at = 0; at < tag.byteLength; at++) {
      expect(openChunk(file, 2, { ciphertext, tag: flipped(tag, at) })).toMatchObject({ code: 'file-chunk-wrong' })
      expect(openChunk(file, 2, { ciphertext, tag: tag.subarray(0, at) })).toMatchObject({ code: 'file-chunk-wrong' })
    }
    expect(openChunk(file, 2, { ciphertext: ciphertext.subarray(1), tag })).toMatchObject({ code: 'file-chunk-wrong' })
  })

  test('of a member who has the key, but other bytes, is refused by its hash', () => {
    const forged: Manifest = {
      ...manifest,
      hashes: new Uint8Array([...sha256(second), ...manifest.hashes.subarray(32)]),
    }
    // Sealed under the right key, nonce and file, as only an insider can.
    const box = sealed(0, second, { ...file, manifest: forged })
    const opened = openChunk({ ...file, manifest: forged }, 0, box)
    expect(isRefusal(opened) ? opened : Buffer.compare(opened, second)).toBe(0)
    expect(openChunk(file, 0, box)).toMatchObject({ code: 'file-chunk-wrong' })
  })
})

describe('the manifest of a folder', () => {
  const tree = {
    files: [
      { path: 'a', size: CHUNK_BYTES },
      { path: 'b/c', size: 0 },
      { path: 'b/d', size: CHUNK_BYTES + 4 },
    ],
    folders: ['empty'],
  }
  const size = 2 * CHUNK_BYTES + 4
  const whole: Manifest = { size, chunkBytes: CHUNK_BYTES, hashes: new Uint8Array(3 * 32), tree }
  const judged = (changed: unknown, files: number | undefined = 3) => {
    const encoded = manifestBytes(changed as Manifest)
    return decodeManifest(encoded, { size, manifest: sha256(encoded), files })
  }

  test('opens to what it was', () => {
    expect(judged(whole)).toEqual(whole)
  })

  test.each<[string, unknown]>([
    [
      'with sizes that are less than the whole',
      { ...tree, files: tree.files.slice(0, 2).concat({ path: 'c', size: 1 }) },
    ],
    ['with sizes that are more', { ...tree, files: tree.files.map((file) => ({ ...file, size: file.size + 1 })) }],
    [
      'with sizes that are beyond whole numbers together',
      { ...tree, files: tree.files.map((file) => ({ ...file, size: 2 ** 53 - 1 })) },
    ],
    ['with a negative size', { ...tree, files: [{ path: '0', size: -1 }, ...tree.files.slice(1)] }],
    ['with more files than offered', { ...tree, files: [...tree.files, { path: 'z', size: 0 }] }],
    ['with fewer', { ...tree, files: [{ path: 'a', size }] }],
    ['with a path twice', { ...tree, files: tree.files.map((file) => ({ ...file, path: 'a' })) }],
    [
      'with a file that is a folder',
      { ...tree, files: tree.files.map((file, at) => ({ ...file, path: ['a', 'a/b', 'a/c'][at] })) },
    ],
    ['with a path that is too long', { ...tree, folders: ['x'.repeat(2_000)] }],
  ])('%s is refused', (_, changed) => {
    expect(judged({ ...whole, tree: changed })).toMatchObject({ code: 'file-manifest-wrong' })
  })

  const written = { paths: 'a\nb/c\nb/d', sizes: new Uint8Array(24), folders: 'empty' }
  new DataView(written.sizes.buffer).setBigUint64(16, BigInt(size))
  const judgedAsWritten = (changed: unknown) => {
    const anything = codec(z.unknown(), MANIFEST_MAX_BYTES)
    const encoded = anything.encode({ size, chunkBytes: CHUNK_BYTES, hashes: new Uint8Array(3 * 32), tree: changed })
    return decodeManifest(encoded, { size, manifest: sha256(encoded), files: 3 })
  }
  test.each<[string, unknown]>([
    ['with more than it should have', { ...written, links: 'x' }],
    ['with a path that is no text', { ...written, paths: 1 }],
    ['with an empty path', { ...written, paths: 'a\n\nb/d' }],
    ['with a line behind the last', { ...written, paths: `${written.paths}\n` }],
    ['with a size less than paths', { ...written, sizes: written.sizes.subarray(8) }],
    ['with half a size', { ...written, sizes: written.sizes.subarray(4) }],
    ['with a size past whole numbers', { ...written, sizes: new Uint8Array(24).fill(0xff) }],
    ['with sizes as numbers', { ...written, sizes: [0, 0, size] }],
  ])('that was written %s is refused', (_, changed) => {
    expect(isRefusal(judgedAsWritten(written))).toBe(false)
    expect(judgedAsWritten(changed)).toMatchObject({ code: 'file-manifest-wrong' })
  })

  test('that was offered as a file is refused, and a file that was offered as a folder', () => {
    const encoded = manifestBytes(whole)
    expect(decodeManifest(encoded, { size, manifest: sha256(encoded) })).toMatchObject({ code: 'file-manifest-wrong' })
    expect(judged({ ...whole, tree: undefined })).toMatchObject({ code: 'file-manifest-wrong' })
  })

  test('that is a bomb is refused before it is unpacked: a million entries, or more folders than anybody takes', () => {
    const bomb = new Uint8Array(MANIFEST_MAX_BYTES + 1)
    expect(decodeManifest(bomb, { size, manifest: sha256(bomb), files: 1_000_000 })).toMatchObject({
      code: 'file-manifest-wrong',
      detail: `${bomb.byteLength} bytes`,
    })
    const folders = Array.from({ length: MANIFEST_MAX_ENTRIES + 1 }, (_, at) => `${at}`.padStart(6, '0'))
    expect(judged({ ...whole, tree: { ...tree, folders } })).toMatchObject({ code: 'file-manifest-wrong' })
    const both = folders.slice(0, MANIFEST_MAX_ENTRIES)
    expect(judged({ ...whole, tree: { ...tree, folders: both } })).toMatchObject({ code: 'file-manifest-wrong' })
  })
})
