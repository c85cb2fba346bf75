import type { FastifyInstance } from 'fastify'
import { OptionError } from './errors.ts'
import { SnapshotMetrics } from './metrics/snapshot-metrics.ts'
import type { PluginSettings, Role } from './options.ts'
import type { Authenticate } from './routes/authentication.ts'
import { healthRoutes, type HealthOf } from './routes/health.ts'
import { metricsRoute } from './routes/metrics.ts'
import type { Routes } from './routes/own-rules.ts'
import type { SnapshotWriter } from './snapshots/snapshot-writer.ts'

/** What the registrations of the plugin in one Fastify scope share. */
interface Shared {
  /** Databases by the path of their health. */
  readonly health: Map<string, HealthOf[]>
  /** Metrics by their path, and who may see them. */
  readonly metrics: Map<string, { metrics: SnapshotMetrics, role: Role | null }>
}

/** A database's writers by their namespaces. */
type Namespaces = Record<string, SnapshotWriter>

const SHARED = Symbol('fastify-sqlite-snapshots')

/**
 * Before anything is made for it.
 * @throws FST_SNAPSHOT_INVALID_OPTION where `app.snapshots`, or `app.snapshots.<namespace>`, is taken
 */
export function requireFree (app: FastifyInstance, namespace: string | null): void {
  const taken = decorated(app)
  if (taken === undefined) return
  const isNamespaced = Object.getPrototypeOf(taken) === null
  if (namespace === null || !isNamespaced) throw new OptionError(`"namespace": this Fastify scope has its app.snapshots${isNamespaced ? '.<namespace>' : ''} already; give each registration a namespace of its own, which makes app.snapshots.<namespace>`)
  if (taken[namespace] !== undefined) throw new OptionError(`"namespace": app.snapshots.${namespace} is there already; give each registration a namespace of its own`)
}

/** Makes `app.snapshots`, or `app.snapshots.<namespace>`. */
export function decorate (app: FastifyInstance, namespace: string | null, writer: SnapshotWriter): void {
  if (namespace === null) {
    app.decorate('snapshots', writer)
    return
  }
  const taken = decorated(app)
  const namespaces = taken ?? Object.create(null) as Namespaces
  namespaces[namespace] = writer
  if (taken === undefined) app.decorate('snapshots', namespaces as never)
}

/** A scope of its own inherits the decoration of one above it, and may have its own. */
const decorated = (app: FastifyInstance): Namespaces | undefined => Object.hasOwn(app, 'snapshots') ? app.snapshots as unknown as Namespaces : undefined

function shared (app: FastifyInstance): Shared {
  const own = app as unknown as Record<symbol, Shared>
  if (!Object.hasOwn(app, SHARED)) own[SHARED] = { health: new Map(), metrics: new Map() }
  return own[SHARED] as Shared
}

/**
 * Makes the health routes, or adds a database to those that are there.
 * @throws FST_SNAPSHOT_INVALID_OPTION where the application has a route there
 */
export function showHealth (app: FastifyInstance, routes: Routes, settings: PluginSettings, of: HealthOf): void {
  if (settings.health === false) return
  const { health } = shared(app)
  const { path } = settings.health
  const there = health.get(path)
  if (there !== undefined) {
    there.push(of)
    return
  }
  requireNoRoute(routes, 'health.path', path, 'give another path, or `health: false`')
  const all = [of]
  health.set(path, all)
  healthRoutes(routes, path, all)
}

function requireNoRoute (app: Routes, option: string, path: string, advice: string): void {
  if (app.hasRoute({ method: 'GET', url: app.prefix + path })) throw new OptionError(`"${option}": the application has a route ${path} already; ${advice}`)
}

/**
 * The metrics that a database is in, or null for none: those of the application's registry, else those of its route.
 * @throws FST_SNAPSHOT_INVALID_OPTION where that route is open to others, or shows another registry
 */
export function metricsOf (app: FastifyInstance, { metrics: settings }: PluginSettings): SnapshotMetrics | null {
  if (settings === false) return null
  const { path, role, registry } = settings
  const there = path === null ? undefined : shared(app).metrics.get(path)
  if (there !== undefined && there.role !== role) throw new OptionError(`"metrics.role": the metrics of another database are at ${String(path)}, for ${there.role ?? 'everyone'}; give both the same role`)
  const metrics = registry !== null ? SnapshotMetrics.in(registry) : there?.metrics ?? new SnapshotMetrics()
  if (there !== undefined && there.metrics !== metrics) throw new OptionError(`"metrics.registry": the metrics of another database are at ${String(path)}, of another registry or none; give both the same registry, or another "metrics.path"`)
  return metrics
}

/**
 * Makes the route of the metrics, unless it is there.
 * @throws FST_SNAPSHOT_INVALID_OPTION where the application has a route there
 */
export function showMetrics (app: FastifyInstance, routes: Routes, { metrics: settings }: PluginSettings, metrics: SnapshotMetrics | null, authenticate: Authenticate): void {
  if (settings === false || metrics === null || settings.path === null) return
  const { path, role } = settings
  const { metrics: byPath } = shared(app)
  if (byPath.has(path)) return
  requireNoRoute(routes, 'metrics.path', path, 'give another path, `metrics: false`, or the registry that is shown there: `metrics: { registry }`')
  byPath.set(path, { metrics, role })
  metricsRoute(routes, { path, role }, metrics, authenticate)
}
