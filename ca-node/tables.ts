/** Lines of cells in columns, two blanks apart. What a stranger sent may not steer the operator's terminal. */
export const table = (rows: readonly (readonly string[])[]): string => {
  const safe = rows.map((row) => row.map(printable))
  const widths = safe.reduce<readonly number[]>(
    (before, row) => row.map((cell, at) => Math.max(before[at] ?? 0, cell.length)),
    [],
  )
  return safe
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const printable = (text: string): string => text.replaceAll(/\p{C}/gu, '�')

/** As in `2026-05-03 10:00` (UTC). */
export const timeText = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
