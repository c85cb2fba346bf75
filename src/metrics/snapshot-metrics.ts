import { setImmediate as nextTurn } from 'node:timers/promises'
import { Counter, Gauge, Registry, type Metric } from 'prom-client'
import { OptionError } from '../errors.ts'
import type { MetricsRegistry } from '../options.ts'
import { counters } from './counters.ts'
import type { Definition } from './definition.ts'
import { gauges } from './gauges.ts'
import { histograms } from './histograms.ts'
import { readSource, type MetricsSource, type Reading } from './reading.ts'

/** Those that registries of applications have already: nobody registers a metric twice. */
const known = new WeakMap<MetricsRegistry, SnapshotMetrics>()

/**
 * The metrics of some databases. Each is read from the catalogs when it is scraped, so neither a restart nor a second process
 * resets or splits it, and each is there from the first scrape.
 */
export class SnapshotMetrics {
  readonly #sources = new Set<MetricsSource>()
  readonly #registry: MetricsRegistry | null
  /** Those in the application's registry by their names, while there are any. */
  readonly #shown = new Map<string, Metric>()
  readonly #plain = new Registry()
  readonly #openMetrics = new Registry()
  #readings: Promise<Reading[]> | null = null

  /** @param registry where the application wants them as well */
  static in (registry: MetricsRegistry): SnapshotMetrics {
    const metrics = known.get(registry) ?? new SnapshotMetrics(registry)
    known.set(registry, metrics)
    return metrics
  }

  constructor (registry: MetricsRegistry | null = null) {
    this.#registry = registry
    this.#openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never) // its types know one form only
    for (const own of [this.#plain, this.#openMetrics]) for (const [, metric] of this.#makeMetrics()) own.registerMetric(metric)
  }

  /** @throws FST_SNAPSHOT_INVALID_OPTION for a second database of one name, what the application's registry throws for a metric that it has */
  add (source: MetricsSource): void {
    const { databaseName } = source.context.settings
    if ([...this.#sources].some(({ context }) => context.settings.databaseName === databaseName)) throw new OptionError(`"databaseName": another database in these metrics is called ${databaseName}; give this one another name`)
    if (this.#sources.size === 0) this.#show()
    this.#sources.add(source)
  }

  /** Its catalog is being closed. */
  remove (source: MetricsSource): void {
    if (this.#sources.delete(source) && this.#sources.size === 0) this.#hide()
  }

  /**
   * The text for a scraper.
   * @param accept what it takes: OpenMetrics only where it asks for that
   */
  async text (accept = ''): Promise<{ contentType: string, text: string }> {
    const registry = accept.includes('application/openmetrics-text') ? this.#openMetrics : this.#plain
    return { contentType: registry.contentType, text: await registry.metrics() }
  }

  #show (): void {
    if (this.#registry === null) return
    try {
      for (const [name, metric] of this.#makeMetrics()) {
        this.#registry.registerMetric(metric as never)
        this.#shown.set(name, metric)
      }
    } catch (error) {
      this.#hide()
      throw error
    }
  }

  #hide (): void {
    for (const name of this.#shown.keys()) this.#registry?.removeSingleMetric(name)
    this.#shown.clear()
  }

  /** Each registry has metrics of its own: prom-client changes the names of those that it shows as OpenMetrics. */
  #makeMetrics (): Map<string, Metric> {
    const read = async (): Promise<Reading[]> => await this.#read()
    return new Map([
      ...counters.map((definition): [string, Metric] => [definition.name, metric(Counter, definition, read)]),
      ...gauges.map((definition): [string, Metric] => [definition.name, metric(Gauge, definition, read)]),
      ...Object.entries(histograms(read))
    ])
  }

  /** A registry asks all its metrics one right after the other: those of a scrape share what is read, and none sees what an earlier scrape read. */
  async #read (): Promise<Reading[]> {
    if (this.#readings === null) {
      this.#readings = readAll(this.#sources)
      queueMicrotask(() => { this.#readings = null })
    }
    return await this.#readings
  }
}

function metric (Kind: typeof Counter | typeof Gauge, { name, help, labels = [], samples }: Definition, read: () => Promise<Reading[]>): Metric {
  return new Kind({
    name,
    help,
    labelNames: ['database', ...labels],
    registers: [],
    aggregator: 'first', // every worker of a cluster shows the whole
    async collect () {
      const readings = await read()
      this.reset()
      for (const reading of readings) {
        for (const [labels, value] of samples(reading)) this.inc({ database: reading.database, ...labels }, value)
      }
    }
  })
}

async function readAll (sources: ReadonlySet<MetricsSource>): Promise<Reading[]> {
  const readings: Reading[] = []
  for (const source of sources) {
    if (readings.length > 0) await nextTurn() // with many databases the application has its turn after each
    if (sources.has(source)) readings.push(await readSource(source)) // it may have been closed meanwhile
  }
  return readings
}
