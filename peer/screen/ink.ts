import { Box, render, Text, useCursor } from 'ink'
import { createElement, memo } from 'react'

// The one door to Ink: a column of lines that are painted already, and the cursor.

/** The screen, line by line with the terminal's codes, and where the cursor stands. */
export type Painted = { readonly lines: readonly string[]; readonly cursor: { readonly x: number; readonly y: number } }

export type Canvas = {
  /** Shows this, at the latest a sixtieth of a second from now. */
  show(painted: Painted): void
  /** Draws all of it anew, over whatever another program has written. */
  redraw(painted: Painted): void
  /** Leaves the terminal as it was found. */
  close(): Promise<void>
}

const FRAMES_A_SECOND = 60 // at most; the screen itself asks for fewer, but for keys

// Lines that are as before are not laid out again.
const Line = memo(({ text }: { readonly text: string }) =>
  createElement(Text, { wrap: 'truncate-end' }, text === '' ? ' ' : text),
)

const Lines = ({ lines, cursor }: Painted) => {
  const { setCursorPosition } = useCursor()
  setCursorPosition(cursor)
  // A line is known by its place: its text is what changes.
  return createElement(Box, { flexDirection: 'column' }, lines.map(lineAt))
}

const lineAt = (text: string, at: number) => createElement(Line, { key: String(at), text })

/** Takes the whole terminal. */
export const openCanvas = (first: Painted, input: NodeJS.ReadStream, output: NodeJS.WriteStream): Canvas => {
  const ink = render(createElement(Lines, first), {
    stdin: input,
    stdout: output,
    alternateScreen: true,
    incrementalRendering: true,
    interactive: true, // a terminal it is: an environment that says CI changes nothing
    isScreenReaderEnabled: false, // who reads by ear has the line chat
    exitOnCtrlC: false,
    maxFps: FRAMES_A_SECOND,
  })
  return {
    show: (painted) => ink.rerender(createElement(Lines, painted)),
    redraw: (painted) => {
      ink.clear()
      ink.rerender(createElement(Lines, painted))
    },
    close: async () => {
      ink.unmount()
      await ink.waitUntilExit()
    },
  }
}
