/** The samples of a text in Prometheus' format, by name and labels as they stand: `name{label="value"}`. */
export function samplesOf (text: string): Map<string, number> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => {
    const [, series, value] = /^(\S+\{[^}]*\}|\S+) (\S+)$/.exec(line) ?? []
    if (series === undefined || value === undefined) throw new Error(`no sample: ${line}`)
    return [series, value === 'Nan' ? NaN : Number(value)]
  }))
}
