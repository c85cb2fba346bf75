import { OptionError } from './errors.ts'

/** The paths the plugin registers: `health` comes with `/live` below it. */
export interface RoutePaths { prefix: string, health: false | { path: string }, metrics: false | { path: string | null } }

/**
 * Refuses paths that would hide each other.
 * @throws FST_SNAPSHOT_INVALID_OPTION
 */
export function requireDistinctPaths ({ prefix, health, metrics }: RoutePaths): void {
  const healthPaths = health === false ? [] : [health.path, `${health.path}/live`]
  const metricsPaths = metrics === false || metrics.path === null ? [] : [metrics.path]
  const owned = [...healthPaths.map(path => ['health.path', path] as const), ...metricsPaths.map(path => ['metrics.path', path] as const)]
  for (const [option, path] of owned) {
    if (`${path}/`.startsWith(`${prefix}/`)) throw new OptionError(`"${option}": ${path} lies within "prefix" ${prefix}, where it would hide a snapshot's route; choose a path beside it`)
  }
  const shared = healthPaths.find(path => metricsPaths.includes(path))
  if (shared !== undefined) throw new OptionError(`"metrics.path": ${shared} is a path of the health routes already; choose another one`)
}
