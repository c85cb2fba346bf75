/** What a drill does, in this order; what one finds wrong ends it. */
export type DrillStep = 'restore' | 'integrity' | 'foreign keys' | 'migrations' | 'validation'

/** The outcome of a rehearsed restore. */
export interface DrillReport {
  id: string
  database: string
  /** The snapshot that was restored, or null where there was none. */
  snapshot: { id: string, name: string, createdAt: string, size: number | null } | null
  /** The storage it was read from. */
  storage: string | null
  startedAt: string
  durationMs: number
  isSuccess: boolean
  /** Why it failed, or null. */
  error: string | null
  steps: Array<{ name: DrillStep, durationMs: number, error: string | null }>
}

/** The report for people. */
export function toMarkdown ({ database, snapshot, storage, startedAt, durationMs, isSuccess, error, steps }: DrillReport): string {
  const lines = [
    `# Restore drill of ${inCode(database)}: ${isSuccess ? 'passed' : 'FAILED'}`,
    '',
    `- Begun: ${startedAt}`,
    `- Took: ${seconds(durationMs)}`,
    `- Snapshot: ${snapshot === null ? 'none' : `${inCode(snapshot.name)} of ${snapshot.createdAt}, ${String(snapshot.size)} bytes`}`,
    `- Read from: ${storage ?? 'nowhere'}`,
    ...error === null ? [] : [`- Failed with: ${oneLine(error)}`],
    '',
    '| Step | Took | Outcome |',
    '|---|---|---|',
    ...steps.map(({ name, durationMs, error }) => `| ${name} | ${seconds(durationMs)} | ${error === null ? 'passed' : oneLine(error)} |`)
  ]
  return `${lines.join('\n')}\n`
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(3)} s`
const inCode = (name: string): string => `\`${name}\``
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('|', '\\|')
