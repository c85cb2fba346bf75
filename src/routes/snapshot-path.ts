import type { HTTPMethods, RouteOptions } from 'fastify'
import type { Routes } from './own-rules.ts'

/**
 * Fastify refuses path parameters of over 100 characters unless the host has set otherwise, and names have up to 128, so
 * each path with a name is registered twice: as it reads, and for long names with the parameter in two parts.
 */
const PATHS = ['/:name', '/:name([^/]{100}):rest([^/]{1,100})'] as const

/** Registers a route below one snapshot, for names of every length. */
export function snapshotRoute (app: Routes, method: HTTPMethods, suffix: string, options: Omit<RouteOptions, 'method' | 'url'>): void {
  for (const path of PATHS) app.route({ ...options, method, url: path + suffix } as Parameters<Routes['route']>[0])
}

/** The name in the path of a request. */
export const nameIn = ({ name, rest = '' }: { name: string, rest?: string }): string => name + rest
