import type { Figure } from './measure.ts'

/** What one part of the benchmark found. */
export interface Part {
  title: string
  /** What was done, as a paragraph. */
  text: string
  /** The first line is the head. */
  table: string[][]
  bars: Bar[]
}

/** A goal, and what was reached. */
export interface Bar { what: string, bar: string, reached: string, isMet: boolean | null }

/** At most a multiple of what another one takes; open where that one is missing. */
export function atMostTimes (what: string, limit: number, other: string, ours: number | undefined, theirs: number | undefined): Bar {
  const reached = ours === undefined || theirs === undefined ? null : ours / theirs
  return { what, bar: `≤ ${limit} × ${other}`, reached: reached === null ? 'not measured' : `${reached.toFixed(2)} ×`, isMet: reached === null ? null : reached <= limit }
}

export function atMost (what: string, limit: number, unit: string, reached: number): Bar {
  return { what, bar: `≤ ${limit} ${unit}`, reached: `${reached.toFixed(reached < 10 ? 2 : 0)} ${unit}`, isMet: reached <= limit }
}

/** A line for each figure, each beside ours. */
export function figureTable (figures: Figure[], ours: string): string[][] {
  const own = figures.find(({ what }) => what === ours)?.seconds ?? NaN
  return [
    ['what', 'median', 'ratio to ours', 'longest wait of the writer'],
    ...figures.map(({ what, seconds, waitedMs, torn }) => [what + (torn === 0 ? '' : ` (torn in ${torn} of the rounds)`), inSeconds(seconds), ratio(seconds, own), waitedMs === 0 ? '' : inMilliseconds(waitedMs)])
  ]
}

export const inSeconds = (seconds: number): string => `${seconds.toFixed(2)} s`
export const inMilliseconds = (milliseconds: number): string => `${milliseconds.toFixed(milliseconds < 10 ? 2 : 0)} ms`
export const inMebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 2 : 0)} MiB`
export const ratio = (one: number, other: number): string => (one / other).toFixed(2)

/** The page for docs. */
export function document (parts: Part[], introduction: string): string {
  const bars = parts.flatMap(part => part.bars)
  const verdicts = bars.map(({ what, bar, reached, isMet }) => [what, bar, reached, isMet === null ? '' : isMet ? 'yes' : '**no**'])
  return [
    '# Benchmarks',
    introduction,
    ...parts.flatMap(part => [`## ${part.title}`, part.text, markdown(part.table)]),
    '## The bar',
    markdown([['what', 'bar', 'reached', 'met'], ...verdicts])
  ].join('\n\n') + '\n'
}

function markdown ([head = [], ...lines]: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...lines.map(line)].join('\n')
}
