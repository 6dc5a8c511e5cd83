import { readFileSync } from 'node:fs'

// shared/PROTOCOL.md as the tests read it: its field tables, its test vectors, and its shell commands.

/** One row of a field table; `type` is in the notation of the text's own section on it. */
export type Field = { readonly name: string; readonly type: string; readonly optional: boolean }

export type ProtocolText = {
  /** Field tables by the name in their head, as in `hello.admitted`. */
  readonly tables: ReadonlyMap<string, readonly Field[]>
  /** Bounds by the name of the constant, as in `FRAME_MAX_BYTES`. */
  readonly limits: ReadonlyMap<string, number>
  /** Bytes of the largest message of a conversation, by its name in the table of frames. */
  readonly messageBytes: ReadonlyMap<string, number>
  /** Every word in backquotes in the first column of a table of refusals. */
  readonly codes: readonly string[]
  /** All that stands in backquotes, anywhere in the text. */
  readonly mentions: ReadonlySet<string>
  /** Hex or text by name, without the line breaks. */
  readonly vectors: Readonly<Record<string, string>>
  /** The PEM blocks by their file name. */
  readonly pems: Readonly<Record<string, string>>
  /** The commands of the openssl section, one a line. */
  readonly commands: readonly string[]
}

export const readProtocolText = (): ProtocolText => {
  const text = readFileSync(new URL('../../shared/PROTOCOL.md', import.meta.url), 'utf8')
  const tables = tablesOf(text)
  return {
    tables: new Map(
      tables.flatMap(({ head, rows }) => {
        const [, name] = /^`([a-z]+\.[a-z-]+)`$/.exec(head[0] ?? '') ?? []
        return name === undefined ? [] : [[name, rows.map(fieldOf)]]
      }),
    ),
    limits: new Map(
      tables
        .filter(({ head }) => head[0] === 'limit')
        .flatMap(({ rows }) => rows.map(([name = '', value = '']) => [bare(name), Number(value.replaceAll(',', ''))])),
    ),
    messageBytes: new Map(
      tables
        .filter(({ head }) => head[0] === 'conversation')
        .flatMap(({ rows }) => rows.map(([name = '', , value = '']) => [name, Number(value.replaceAll(',', ''))])),
    ),
    codes: tables
      .filter(({ head }) => head[0] === 'code')
      .flatMap(({ rows }) =>
        rows.flatMap(([codes = '']) => [...codes.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)),
      ),
    mentions: new Set([...text.matchAll(/`([^`\n]+)`/g)].map(([, word = '']) => word)),
    vectors: Object.fromEntries(blocksOf(text, 'vectors').flatMap(vectorsOf)),
    pems: Object.fromEntries(blocksOf(text, 'pem').map((block) => [/^(\S+)/.exec(block)?.[1] ?? '', pemOf(block)])),
    commands: blocksOf(text, 'sh')
      .flatMap((block) => block.replaceAll('\\\n', '').split('\n'))
      .filter((line) => line !== '' && !line.startsWith('#')),
  }
}

type Table = { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] }

const tablesOf = (text: string): Table[] =>
  [...text.matchAll(/^(\|.*\|)\n\|[-| ]+\|\n((?:\|.*\|\n)*)/gm)].map(([, head = '', rows = '']) => ({
    head: cellsOf(head),
    rows: rows
      .trimEnd()
      .split('\n')
      .filter((row) => row !== '')
      .map(cellsOf),
  }))

const cellsOf = (row: string): string[] =>
  row
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim())

const fieldOf = ([name = '', type = '']: readonly string[]): Field => ({
  name: bare(name),
  type: type.replace(/^optional /, ''),
  optional: type.startsWith('optional '),
})

const bare = (cell: string): string => cell.replaceAll('`', '')

const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(([, block = '']) => block)

/** `name: value`; a value goes on in the lines that begin with a blank. */
const vectorsOf = (block: string): [string, string][] =>
  block
    .replaceAll(/\n\s+/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const at = line.indexOf(':')
      return [line.slice(0, at), line.slice(at + 1).trim()]
    })

const pemOf = (block: string): string => block.slice(block.indexOf('\n') + 1)
