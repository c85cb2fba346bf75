import type { Histogram } from 'prom-client'
import { DURATION_BUCKETS } from '../catalog/metric-values.ts'
import type { Reading } from './reading.ts'

const HISTOGRAMS = { snapshot_creation_duration_seconds: 'Duration of completed snapshot creations', snapshot_restore_duration_seconds: 'Duration of successful restores' }

interface HistogramSample { metricName: string, value: number, labels: Record<string, string | number> }

/** The histograms by their names. One of prom-client can only add observations; these were added up in the catalog. */
export function histograms (read: () => Promise<Reading[]>): Record<string, Histogram> {
  return Object.fromEntries(Object.entries(HISTOGRAMS).map(([name, help]) => {
    const rest = { name, help, type: 'histogram', aggregator: 'first' }
    return [name, { ...rest, reset () {}, get: async () => ({ ...rest, values: (await read()).flatMap(reading => samplesOf(name, reading)) }) } as unknown as Histogram]
  }))
}

function samplesOf (name: string, { database, recorded }: Reading): HistogramSample[] {
  const values = recorded(name)
  const sample = (metricName: string, label: string, le?: number | string): HistogramSample => ({ metricName, value: values.get(label) ?? 0, labels: { database, ...(le !== undefined && { le }) } })
  return [
    ...DURATION_BUCKETS.map(bound => sample(`${name}_bucket`, String(bound), bound)),
    sample(`${name}_bucket`, 'count', '+Inf'),
    sample(`${name}_sum`, 'sum'),
    sample(`${name}_count`, 'count')
  ]
}
