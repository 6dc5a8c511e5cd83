import { availableParallelism } from 'node:os'

/** One figure; `baseline` and `ratio` (value over baseline) where something was measured beside it in the same run. */
export type Metric = {
  readonly value: number
  readonly unit: string
  readonly baseline?: number
  readonly ratio?: number
  /** What it should be, and whether it is. */
  readonly aim?: string
  readonly met?: boolean
}

/** Figures by their stable names. */
export type Metrics = Readonly<Record<string, Metric>>

/** What a bench is given: `say` tells the reader how far it is. */
export type Bench = (say: (line: string) => void) => Promise<Metrics>

export const metric = (value: number, unit: string, baseline?: number): Metric =>
  baseline === undefined
    ? { value: rounded(value), unit }
    : { value: rounded(value), unit, baseline: rounded(baseline), ratio: rounded(value / baseline) }

/** With what the figure should be: at most, or at least, this. */
export const withAim = (figure: Metric, relation: '≤' | '≥', aim: number): Metric => ({
  ...figure,
  aim: `${relation} ${aim} ${figure.unit}`,
  met: relation === '≤' ? figure.value <= aim : figure.value >= aim,
})

/** With what the ratio to what was measured beside it should be. */
export const withRatioAim = (figure: Metric, relation: '≤' | '≥', aim: number): Metric => {
  const ratio = figure.ratio ?? Number.NaN
  return { ...figure, aim: `${relation} ${aim} × that`, met: relation === '≤' ? ratio <= aim : ratio >= aim }
}

/** The last line of `--json`. */
export const resultLine = (bench: string, metrics: Metrics): string =>
  JSON.stringify({ bench, node: process.version, cores: availableParallelism(), metrics })

export const metricLine = (name: string, { value, unit, baseline, ratio, aim, met }: Metric): string => {
  const beside = baseline === undefined ? '' : ` beside ${baseline}: × ${ratio}`
  const aimed = aim === undefined ? '' : ` aim ${aim}: ${met === true ? 'met' : 'MISSED'}`
  return `  ${name.padEnd(28)} ${String(value).padStart(10)} ${unit.padEnd(8)}${beside}${aimed}`
}

export const median = (values: readonly number[]): number => percentile(values, 0.5)

/** By the nearest rank. @param part 0 to 1 @throws on an empty list */
export const percentile = (values: readonly number[], part: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]
  if (value === undefined) throw new Error('nothing was measured')
  return value
}

/** Milliseconds of a clock that all processes of this machine share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** Milliseconds of processor since then, of all threads; what other programs take from us does not count. */
export const cpuMsSince = (before: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

const rounded = (value: number): number => Number(value.toPrecision(4))
